//! The pages of the manual on events, from those of the documents.

use super::manual::{MANUAL, VERSION};
use super::put;
use anyhow::Result;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::path::Path;

const PAGES: [(u16, &str); 5] = [
    (4226, include_str!("../../../../docs/use/event-4226.md")),
    (4227, include_str!("../../../../docs/use/event-4227.md")),
    (4228, include_str!("../../../../docs/use/event-4228.md")),
    (4229, include_str!("../../../../docs/use/event-4229.md")),
    (4230, include_str!("../../../../docs/use/event-4230.md")),
];

/// Writes a page for each number.
pub fn write(directory: &Path) -> Result<()> {
    PAGES.iter().try_for_each(|(number, text)| {
        let name = format!("halfopen-event-{number}");
        put(&directory.join(format!("{name}.7")), page(&name, text).to_roff().as_bytes())
    })
}

fn page(name: &str, text: &str) -> Roff {
    let mut page = Page { roff: Roff::new(), name, ..Page::default() };
    page.roff.control("TH", [name, "7", "", VERSION, MANUAL]);
    Parser::new_ext(text, Options::ENABLE_TABLES).for_each(|event| page.take(event));
    let see_also = [bold("halfopen"), roman("(1), "), bold("halfopen-events"), roman("(1)")];
    page.roff.control("SH", ["SEE ALSO"]).text(see_also);
    page.roff
}

#[derive(Default)]
struct Page<'a> {
    roff: Roff,
    name: &'a str,
    /// What belongs to the present heading, paragraph, item, block or cell.
    line: Vec<Inline>,
    /// What the columns of the present table are called, from the first row.
    columns: Vec<String>,
    /// The number of the present cell in its row.
    cell: usize,
    in_head: bool,
    is_strong: bool,
    /// Whether the lines of the present block are filled.
    is_filled: bool,
}

impl Page<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Paragraph) => drop(self.roff.control("PP", [])),
            Event::Start(Tag::Item) => drop(self.roff.control("IP", ["\u{2022}", "2"])),
            Event::Start(Tag::CodeBlock(kind)) => {
                self.roff.control("PP", []);
                // What the log says has long lines; what is to be typed has not.
                self.is_filled = matches!(kind, CodeBlockKind::Fenced(language) if *language == *"text");
                if !self.is_filled {
                    self.roff.control("EX", []);
                }
            }
            Event::Start(Tag::Strong) => self.is_strong = true,
            Event::Start(Tag::TableHead) => (self.in_head, self.columns) = (true, Vec::new()),
            Event::Start(Tag::TableRow) => self.cell = 0,
            Event::Text(text) if self.is_strong => self.line.push(bold(text.to_string())),
            Event::Text(text) => self.line.push(roman(in_the_manual(&text))),
            Event::Code(text) => self.line.push(italic(text.to_string())),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            Event::End(end) => self.end(end),
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Heading(HeadingLevel::H1) => {
                let title = self.taken_text();
                let title = format!("{} - {title}", self.name);
                self.roff.control("SH", ["NAME"]).text([roman(title)]).control("SH", ["DESCRIPTION"]);
            }
            TagEnd::Heading(_) => {
                let heading = self.taken_text().to_uppercase();
                self.roff.control("SH", [heading.as_str()]);
            }
            TagEnd::Paragraph | TagEnd::Item => self.flush(),
            TagEnd::CodeBlock if self.is_filled => self.flush(),
            TagEnd::CodeBlock => {
                for line in self.taken_text().lines() {
                    self.roff.text([roman(line)]);
                }
                self.roff.control("EE", []);
            }
            TagEnd::Strong => self.is_strong = false,
            TagEnd::TableHead => self.in_head = false,
            TagEnd::TableCell => self.end_cell(),
            _ => {}
        }
    }

    /// The first cell of a row is the heading of the others.
    fn end_cell(&mut self) {
        if self.in_head {
            let column = self.taken_text();
            return self.columns.push(column);
        }
        match self.cell {
            0 => drop(self.roff.control("TP", [])),
            1 => {}
            cell => {
                self.roff.control("IP", []);
                let column = self.columns.get(cell).map(|column| roman(format!("{column}: ")));
                self.line.splice(0..0, column);
            }
        }
        self.cell += 1;
        self.flush();
    }

    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.roff.text(std::mem::take(&mut self.line));
        }
    }

    fn taken_text(&mut self) -> String {
        let text = self.line.iter().map(|inline| match inline {
            Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
            Inline::LineBreak => "\n",
        });
        let text = text.collect();
        self.line.clear();
        text
    }
}

/// What a link to another of these pages is called here.
fn in_the_manual(text: &str) -> String {
    let number = text.strip_prefix("event-").and_then(|rest| rest.strip_suffix(".md"));
    number.map_or_else(|| text.to_owned(), |number| format!("halfopen-event-{number}(7)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `man` shows it.
    fn shown(number: u16) -> String {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let mut man = std::process::Command::new("man");
        man.env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .env("MANROFFOPT", "-c")
            .args(["--warnings", "--local-file"]);
        let shown = man.arg(directory.path().join(format!("halfopen-event-{number}.7"))).output().unwrap();
        assert!(shown.stderr.is_empty(), "{}", String::from_utf8_lossy(&shown.stderr));
        String::from_utf8(shown.stdout).unwrap()
    }

    #[test]
    fn each_event_has_a_page_with_its_text_and_what_to_do() {
        for (number, _) in PAGES {
            let shown = shown(number);
            assert!(shown.contains(&format!("halfopen-event-{number} - I got event {number}")), "{shown}");
            let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&format!(" event {number}: ")) && words.contains(" DECIDE "), "{shown}");
        }
    }

    #[test]
    fn a_table_is_a_list_and_commands_keep_their_lines() {
        let shown = shown(4226);
        let slot = shown.lines().find(|line| line.trim_start().starts_with("slot "));
        // man spreads the words of a line.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(slot.is_some_and(|line| words(line).contains(" dead or slow peers")), "{shown}");
        assert!(
            words(&shown).contains("what happens now: further calls wait until a slot is free"),
            "{shown}"
        );
        assert!(
            shown.lines().any(|line| line.contains("# halfopen why 2244            # what each")),
            "{shown}"
        );
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        assert!(!shown.contains("](") && !shown.contains("**"), "{shown}");
    }
}
