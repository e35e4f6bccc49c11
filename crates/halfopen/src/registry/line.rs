//! Lines as they are meant: continued ones joined, texts over several lines whole, comments and empty ones left out.

use super::error::{RegistryError, Unexpected};

/// A line as it is meant, and the number of the first that it was made of.
#[derive(Debug)]
pub struct Line {
    pub number: usize,
    pub text: String,
}

pub fn whole_lines(text: &str) -> Result<Vec<Line>, RegistryError> {
    let mut lines = text.lines().enumerate().map(|(before, line)| (before + 1, line.trim()));
    let mut whole = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        let mut text = line.to_owned();
        let at = |unexpected| RegistryError { line: number, unexpected };
        if line.starts_with(['"', '@']) {
            while ends_in_text(&text) {
                let (_, next) = lines.next().ok_or_else(|| at(Unexpected::OpenText))?;
                text.push('\n');
                text.push_str(next);
            }
            while text.ends_with('\\') {
                text.pop();
                text.truncate(text.trim_end().len());
                let (_, next) = lines.next().ok_or_else(|| at(Unexpected::OpenLine))?;
                text.push_str(next);
            }
        }
        whole.push(Line { number, text });
    }
    Ok(whole)
}

/// Whether `line` ends before a text in it does.
fn ends_in_text(line: &str) -> bool {
    let (mut is_open, mut letters) = (false, line.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_open => drop(letters.next()),
            '"' => is_open = !is_open,
            ';' if !is_open => return false,
            _ => {}
        }
    }
    is_open
}

/// Takes `"NAME"=DATA` or `@=DATA` apart.
pub fn name_and_data(line: &str) -> Option<(String, &str)> {
    if let Some(rest) = line.strip_prefix('@') {
        return Some((String::new(), rest.trim_start().strip_prefix('=')?.trim_start()));
    }
    let mut letters = line.strip_prefix('"')?.chars();
    let mut name = String::new();
    loop {
        match letters.next()? {
            '"' => break,
            '\\' => name.push(letters.next()?),
            letter => name.push(letter),
        }
    }
    Some((name, letters.as_str().trim_start().strip_prefix('=')?.trim_start()))
}
