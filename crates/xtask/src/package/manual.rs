//! The manual: a page for each command from the command line's definition, and one on the configuration from its tables.

use super::put;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use halfopen::cli::Cli;
use halfopen::config::rule_keys::KINDS;
use halfopen::config::{DEFAULT_FILE, Key, Resolved, Table, sample, tables};
use std::io;
use std::path::Path;

pub(super) const MANUAL: &str = "halfopen";
pub(super) const VERSION: &str = concat!("halfopen ", env!("CARGO_PKG_VERSION"));

/// Writes all pages.
pub fn write(directory: &Path) -> Result<()> {
    let mut program = Cli::command();
    program.build();
    command(&program, directory)?;
    let configuration = configuration();
    put(&directory.join("halfopen.toml.5"), configuration.to_roff().as_bytes())
}

/// The page of `command`, and those of what is below it.
fn command(command: &clap::Command, directory: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let mut text = Vec::new();
    page_of(command, name, &mut text).with_context(|| format!("rendering the manual page of {name}"))?;
    put(&directory.join(format!("{name}.1")), &text)?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| self::command(below, directory))
}

fn page_of(command: &clap::Command, name: &str, text: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone()).manual(MANUAL).source(VERSION);
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(text)?;
    }
    notes(command).to_writer(text)?;
    see_also(name).to_writer(text)
}

/// What the help says at its end. Examples keep their lines, to be copied; the rest is filled.
fn notes(command: &clap::Command) -> Roff {
    let mut notes = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let is_example = |line: &&str| line.starts_with("Example: ") || line.starts_with("halfopen ");
    let (examples, said): (Vec<&str>, Vec<&str>) = help.lines().map(str::trim_start).partition(is_example);
    if !said.is_empty() {
        notes.control("SH", ["NOTES"]).text([roman(said.join(" "))]);
    }
    if !examples.is_empty() {
        notes.control("SH", ["EXAMPLES"]).control("EX", []);
        for line in examples {
            notes.text([roman(line.trim_start_matches("Example: "))]);
        }
        notes.control("EE", []);
    }
    notes
}

fn see_also(name: &str) -> Roff {
    let mut end = Roff::new();
    end.control("SH", ["FILES"]);
    end.control("TP", [])
        .text([italic(DEFAULT_FILE)])
        .text([roman("The configuration: "), page("halfopen.toml", "(5)")]);
    end.control("TP", [])
        .text([italic("/sys/fs/bpf/halfopen")])
        .text([roman("What outlives the daemon. To remove it is the last resort: nothing is limited then.")]);
    end.control("SH", ["SEE ALSO"]);
    match name {
        "halfopen" => end.text([page("halfopen.toml", "(5)")]),
        _ => end.text([page("halfopen", "(1)"), roman(", "), page("halfopen.toml", "(5)")]),
    };
    end
}

fn page(name: &str, section: &str) -> Inline {
    bold(format!("{name}{section}"))
}

/// The keys, each below the line that gives it its default.
fn configuration() -> Roff {
    let usual = Resolved::default();
    let mut page = Roff::new();
    page.control("TH", ["halfopen.toml", "5", "", VERSION, MANUAL]);
    page.control("SH", ["NAME"]).text([roman("halfopen.toml - configuration of halfopen")]);
    page.control("SH", ["SYNOPSIS"])
        .text([italic(DEFAULT_FILE)])
        .control("br", [])
        .text([italic("/etc/halfopen/conf.d/*.toml")]);
    page.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut page, sample::ABOUT);
    page.control("SH", ["KEYS"]);
    for table in Table::OF_HOST {
        if table != Table::Top {
            page.control("SS", [table.written()]);
        }
        for key in tables::keys(table) {
            entry(&mut page, &usual.line(key), key);
        }
    }
    for kind in &KINDS {
        page.control("SS", [kind.table.written()]);
        paragraphs(&mut page, kind.doc);
        page.control("PP", []).control("EX", []).text([roman(kind.table.written())]);
        for line in kind.example.lines() {
            page.control("br", []).text([roman(line)]);
        }
        page.control("EE", []);
        for key in tables::keys(kind.table).into_iter().filter(|key| key.table == kind.table) {
            entry(&mut page, &format!("{} = {}", key.name, key.form.example()), key);
        }
    }
    page.control("SH", ["SEE ALSO"]).text([
        self::page("halfopen", "(1)"),
        roman(", "),
        self::page("halfopen-check", "(1)"),
    ]);
    page
}

fn entry(page: &mut Roff, line: &str, key: &Key) {
    page.control("TP", []).text([bold(line)]);
    for (at, paragraph) in key.doc().lines().enumerate() {
        if at > 0 {
            page.control("IP", []);
        }
        page.text([roman(paragraph.trim_start())]);
    }
    for (condition, meaning) in tables::conditions(key) {
        page.control("IP", []).text([bold(*condition), roman(format!(": {meaning}."))]);
    }
    page.control("IP", []).text([roman(format!("Accepts {}.", key.form.accepted()))]);
}

fn paragraphs(page: &mut Roff, text: &str) {
    for paragraph in text.lines() {
        page.control("PP", []).text([roman(paragraph)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As `man` shows it, however narrow the terminal is.
    #[test]
    fn examples_are_not_reflowed() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let mut man = std::process::Command::new("man");
        man.env("MANWIDTH", "40").env("LC_ALL", "C.UTF-8").env("MANROFFOPT", "-c").arg("--local-file");
        let shown = man.arg(directory.path().join("halfopen-set.1")).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        for example in ["halfopen set --save half_open 50", "halfopen set scope.torrent.drain 1/s"] {
            assert!(shown.lines().any(|line| line.trim() == example), "{shown}");
        }
    }

    #[test]
    fn every_command_and_every_key_has_its_place() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let path = directory.path().join(format!("halfopen-{}.1", command.get_name()));
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(".SH EXAMPLES\n.EX\nhalfopen"), "{}: {text}", path.display());
        }
        let configuration = fs::read_to_string(directory.path().join("halfopen.toml.5")).unwrap();
        for key in tables::of_host() {
            let heading = format!("\n.TP\n\\fB{} = ", key.name);
            assert!(configuration.contains(&heading), "{}: {configuration}", key.name);
        }
    }
}
