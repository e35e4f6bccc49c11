//! What the documents show: blocks of code, commands in the text, links.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A place in a document, for messages.
pub type Place = String;

/// A document for users, taken apart.
pub struct Page {
    pub path: PathBuf,
    /// The language that a block says it is in, and its text.
    pub blocks: Vec<(Place, String, String)>,
    /// Commands as they are shown, in their order, each with the lines that are shown as its output.
    pub commands: Vec<(Place, String, Vec<String>)>,
    /// Destinations of links.
    pub links: Vec<(Place, String)>,
    /// What a link to this page can name.
    pub anchors: BTreeSet<String>,
}

/// The project's directory.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every document of the project, by path.
pub fn pages() -> Vec<Page> {
    let mut paths = markdown_in(&root());
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        paths.extend(markdown_in(&folder));
        folders.extend(entries(&folder).into_iter().filter(|path| path.is_dir()));
    }
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.extension().is_some_and(|is| is == "md")).collect()
}

impl Page {
    /// Whether a user is told to type what it shows. Measurements and decisions show what was run once.
    pub fn is_for_users(&self) -> bool {
        let path = self.path.strip_prefix(root()).unwrap();
        path.starts_with("docs/use")
            || path.starts_with("docs/reference")
            || path == Path::new("README.md")
            || path == Path::new("CONTRIBUTING.md")
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let place = |at: usize| format!("{shown}:{}", text[..at].matches('\n').count() + 1);
        let (mut blocks, mut commands, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut anchors = BTreeSet::new();
        let (mut block, mut heading): (Option<(String, String)>, Option<String>) = (None, None);
        for (event, span) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    block = Some((language.to_string(), String::new()));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push((place(span.start), dest_url.to_string()));
                }
                Event::End(TagEnd::CodeBlock) => {
                    if let Some((language, text)) = block.take() {
                        commands.extend(in_block(&place(span.start), &language, &text));
                        blocks.push((place(span.start), language, text));
                    }
                }
                Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|text| anchor(&text))),
                Event::Text(part) | Event::Code(part) if block.is_some() || heading.is_some() => {
                    if let Some(text) = block.as_mut().map(|(_, text)| text).or(heading.as_mut()) {
                        text.push_str(&part);
                    }
                }
                Event::Code(code) if is_command(&code) => {
                    commands.push((place(span.start), code.to_string(), Vec::new()));
                }
                _ => {}
            }
        }
        Self { path, blocks, commands, links, anchors }
    }
}

fn is_command(code: &str) -> bool {
    ["halfopen ", "make ", "systemctl ", "journalctl "].iter().any(|start| code.starts_with(start))
}

/// The commands of a block: all lines of `sh`; the lines of `console` that begin with root's prompt, with what follows.
fn in_block(place: &str, language: &str, text: &str) -> Vec<(Place, String, Vec<String>)> {
    let without_comment = |line: &str| line.split("  #").next().unwrap_or_default().trim_end().to_owned();
    let mut commands: Vec<(Place, String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (language, line.strip_prefix("# ")) {
            ("sh", _) => commands.push((place.into(), without_comment(line), Vec::new())),
            ("console", Some(command)) => commands.push((place.into(), without_comment(command), Vec::new())),
            ("console", None) => {
                let (_, _, output) = commands.last_mut().expect("a command before its output");
                output.push(line.to_owned());
            }
            _ => {}
        }
    }
    commands
}

/// As code hosting sites make it from a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}
