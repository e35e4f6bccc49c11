//! The sample file: every key with its default and what it does, from the tables.

use super::DEFAULT_FILE;
use super::key::{Key, Table};
use super::resolved::Resolved;
use super::rule_keys::KINDS;
use super::tables;

/// What it says about itself.
pub const ABOUT: &str = "This file shows every key with its default. halfopen also reads the files in conf.d beside \
     this one, in the order of their names; a key in a later file replaces the same key in an earlier one. `halfopen \
     check` prints the values that result, each with the file and line that it comes from.";
/// Columns of a line, with the comment's sign.
const WIDTH: usize = 120;

/// The sample file. Read as a configuration, it is the default one.
#[must_use]
pub fn sample() -> String {
    let usual = Resolved::default();
    let mut text = comment(&format!("halfopen: {DEFAULT_FILE}\n\n{ABOUT}"));
    for table in Table::OF_HOST {
        if table != Table::Top {
            text.extend(["\n", table.written()]);
        }
        for key in tables::keys(table) {
            text.extend(["\n", &comment(&key.doc()), &usual.line(key), "\n"]);
        }
    }
    for kind in &KINDS {
        text.extend(["\n", &comment(kind.doc)]);
        for line in [kind.table.written()].into_iter().chain(kind.example.lines()) {
            text.extend(["#     ", line, "\n"]);
        }
        for key in tables::keys(kind.table).into_iter().filter(|key| key.table == kind.table) {
            text.push_str(&comment(&format!("{}: {}", key.name, key.doc())));
            for (condition, meaning) in tables::conditions(key) {
                text.push_str(&comment(&format!("match.{condition}: {meaning}.")));
            }
        }
    }
    text
}

impl Resolved {
    /// The line of a file with the value of a key of the host.
    #[must_use]
    pub fn line(&self, key: &'static Key) -> String {
        let value = self.value(key).map_or_else(String::new, |value| key.form.toml(value).to_string());
        format!("{} = {value}", key.name)
    }
}

fn comment(paragraphs: &str) -> String {
    wrapped("#", paragraphs)
}

/// The paragraphs in lines that begin with `sign`. Lines that begin with four spaces stay as they are.
#[must_use]
pub fn wrapped(sign: &str, paragraphs: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in paragraphs.lines() {
        let mut line = sign.to_owned();
        let words = if paragraph.starts_with(' ') { vec![paragraph] } else { paragraph.split(' ').collect() };
        for word in words {
            if line.len() > sign.len() && line.len() + 1 + word.len() > WIDTH {
                lines.push(std::mem::replace(&mut line, sign.to_owned()));
            }
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n") + "\n"
}
