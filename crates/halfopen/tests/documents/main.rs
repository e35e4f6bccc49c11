//! What the documents show is true: commands work, configurations are accepted, links lead somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test states what it expects by unwrapping")]

mod host;
mod shown;

use host::Host;
use shown::{pages, root};
use std::collections::BTreeSet;
use std::fs;
use testkit::desk::{program, said};
use testkit::require_lab;

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut checked = 0;
    for page in &pages {
        for (place, link) in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { page.path.clone() } else { page.path.with_file_name(path) };
            let to = to.canonicalize().unwrap_or_else(|e| panic!("{place}: {link}: {e}"));
            let target = pages.iter().find(|page| page.path == to);
            assert!(
                anchor.is_empty() || target.is_none_or(|page| page.anchors.contains(anchor)),
                "{place}: {link}: no such heading"
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn blocks_say_what_they_are() {
    for page in pages().iter().filter(|page| page.is_for_users()) {
        for (place, language, _) in &page.blocks {
            assert!(
                ["console", "sh", "toml", "toml scenario", "toml worm", "json", "yaml", "text"]
                    .contains(&language.as_str()),
                "{place}: {language:?}"
            );
        }
    }
}

#[test]
fn configurations_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for page in &pages() {
        for (place, _, text) in page.blocks.iter().filter(|(_, language, _)| language == "toml") {
            let file = directory.path().join("halfopen.toml");
            fs::write(&file, text).unwrap();
            let said = said(std::process::Command::new(program()).args(["check", "--config"]).arg(&file));
            assert_eq!(said.code, Some(0), "{place}: {text}\n{}", said.error);
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
}

#[test]
fn scenarios_and_worms_can_be_simulated() {
    const SMALL: &str = "about = \"a worm\"\nuntil = \"1d\"\nworm = \"worm.toml\"\ncase = [{ hosts = {} }]\n\
                         [population]\nvulnerable = 100\nspace_bits = 16\n";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("scenario.toml");
    let mut simulated = BTreeSet::new();
    for page in &pages() {
        for (place, language, text) in &page.blocks {
            match language.as_str() {
                "toml scenario" => fs::write(&file, text).unwrap(),
                "toml worm" => {
                    fs::write(directory.path().join("worm.toml"), text).unwrap();
                    fs::write(&file, SMALL).unwrap();
                }
                _ => continue,
            }
            let said =
                said(std::process::Command::new(program()).arg("simulate").arg(&file).args(["--runs", "1"]));
            assert_eq!(said.code, Some(0), "{place}: {text}\n{}", said.error);
            simulated.insert(language.clone());
        }
    }
    assert_eq!(simulated.len(), 2, "{simulated:?}");
}

#[test]
fn targets_of_make_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']))
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, rest)| !rest.starts_with('='))
        .flat_map(|(targets, _)| targets.split_whitespace())
        .collect();
    let mut checked = 0;
    for page in &pages() {
        for (place, command, _) in &page.commands {
            let Some(asked) = command.strip_prefix("make ") else { continue };
            for target in asked.split_whitespace().filter(|word| !word.contains('=')) {
                assert!(
                    targets.contains(target),
                    "{place}: `{command}`: the Makefile has no target {target}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

/// The package's test runs these in a virtual machine with systemd.
#[test]
fn commands_of_systemd_are_in_the_test_of_the_package() {
    let test = fs::read_to_string(root().join("tools/package-test/guest/test")).unwrap();
    let mut checked = 0;
    for page in pages().iter().filter(|page| page.is_for_users()) {
        for (place, command, _) in &page.commands {
            if command.starts_with("systemctl ") || command.starts_with("journalctl ") {
                let runs = test.lines().any(|line| line.replace("$unit", "halfopen").contains(command));
                assert!(runs, "{place}: `{command}` is not run by tools/package-test/guest/test");
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "{checked}");
}

/// In a laboratory, on a host with a configuration that has what the pages speak of, in the order of the pages.
#[test]
fn commands_work() {
    require_lab!();
    let mut host = Host::new();
    let mut failed = Vec::new();
    let (mut ran, mut is_off_tried) = (0, false);
    for page in pages().iter().filter(|page| page.is_for_users()) {
        for (place, command, output) in &page.commands {
            // Loading the programs anew after each of them would take most of the time.
            if command == "halfopen off" && std::mem::replace(&mut is_off_tried, true) {
                continue;
            }
            println!("{place}: {command}");
            match host.run(command, output) {
                None => {}
                Some(Ok(())) => ran += 1,
                Some(Err(why)) => failed.push(format!("{place}: `{command}`: {why}")),
            }
        }
        host.turn_page();
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran > 80, "{ran}");
}
