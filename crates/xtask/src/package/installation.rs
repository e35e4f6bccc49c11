//! `tools/install`, at a place of its own.

use super::write_files;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/install");

struct Place {
    root: tempfile::TempDir,
    files: tempfile::TempDir,
    program: PathBuf,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
            files: tempfile::tempdir().unwrap(),
            // Any program: this one does not run it.
            program: std::env::current_exe().unwrap(),
        };
        write_files(place.files.path()).unwrap();
        place
    }

    fn script(&self, what: &str) -> Command {
        let mut script = Command::new(SCRIPT);
        script.arg(what).env("PREFIX", "/opt/halfopen").env("DESTDIR", self.root.path());
        script.env("HALFOPEN_PROGRAM", &self.program).env("HALFOPEN_FILES", self.files.path());
        script
    }

    fn run(&self, what: &str) -> Output {
        self.script(what).output().unwrap()
    }

    fn run_well(&self, what: &str) -> String {
        let ran = self.run(what);
        assert!(ran.status.success(), "{what}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// All files, relative to the place.
    fn found(&self) -> BTreeSet<PathBuf> {
        let (mut folders, mut found) = (vec![self.root.path().to_owned()], BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.insert(entry.path().strip_prefix(self.root.path()).unwrap().to_owned());
                }
            }
        }
        found
    }
}

#[test]
fn what_is_installed_names_its_own_paths_and_goes_again() {
    let place = Place::new();
    assert!(place.run_well("install").contains("nothing was started"));
    let there = |path| place.path(path).is_file();
    for path in [
        "opt/halfopen/bin/halfopen",
        "opt/halfopen/share/man/man1/halfopen-status.1",
        "opt/halfopen/share/man/man5/halfopen.toml.5",
        "opt/halfopen/share/bash-completion/completions/halfopen",
        "opt/halfopen/share/zsh/site-functions/_halfopen",
        "opt/halfopen/share/fish/vendor_completions.d/halfopen.fish",
        "opt/halfopen/share/doc/halfopen/docs/use/quick-start.md",
        "opt/halfopen/lib/systemd/system/halfopen-let-go.service",
        "etc/halfopen/halfopen.toml",
    ] {
        assert!(there(path), "{path} is missing: {:?}", place.found());
    }
    for unit in ["halfopen.service", "halfopen-let-go.service"] {
        let text = fs::read_to_string(place.path("opt/halfopen/lib/systemd/system").join(unit)).unwrap();
        assert!(text.contains("/opt/halfopen/bin/halfopen"), "{text}");
        for of_the_package in ["/usr/bin/halfopen", "/usr/lib/halfopen", "/usr/share/doc/halfopen"] {
            assert!(!text.contains(of_the_package), "{text}");
        }
    }
    // A newer version, without a page that this one has. What the administrator has changed stays.
    let configuration = place.path("etc/halfopen/halfopen.toml");
    fs::write(&configuration, "mode = \"audit\"\n").unwrap();
    fs::remove_file(place.files.path().join("man/halfopen-status.1")).unwrap();
    assert!(place.run_well("install").contains("stays as it is"));
    assert!(!there("opt/halfopen/share/man/man1/halfopen-status.1"));
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "mode = \"audit\"\n");

    let foreign = place.path("opt/halfopen/bin/other");
    fs::write(&foreign, "").unwrap();
    assert!(place.run_well("uninstall").contains("stays: it is yours"));
    let left: Vec<PathBuf> = place.found().into_iter().collect();
    assert_eq!(left, [Path::new("etc/halfopen/halfopen.toml"), Path::new("opt/halfopen/bin/other")]);
    assert_eq!(place.run("uninstall").status.code(), Some(1));
}

#[test]
fn links_of_the_installed_documents_lead_to_installed_documents() {
    let place = Place::new();
    place.run_well("install");
    let documents = place.path("opt/halfopen/share/doc/halfopen");
    let mut checked = 0;
    for page in place.found().iter().filter(|path| path.extension().is_some_and(|is| is == "md")) {
        let page = place.root.path().join(page);
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://") && !link.contains(['\n', ' '])) {
            let path = link.split('#').next().unwrap_or_default();
            let to = if path.is_empty() { page.clone() } else { page.with_file_name(path) };
            let to = to.canonicalize().unwrap_or_else(|e| panic!("{}: {link}: {e}", page.display()));
            assert!(to.starts_with(&documents), "{}: {link}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_prefix_that_a_unit_cannot_name_is_refused() {
    let place = Place::new();
    for prefix in ["usr", "/opt/a b", "/opt/a&b", "/opt/%i"] {
        let mut script = place.script("install");
        let ran = script.env("PREFIX", prefix).output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{prefix}: {ran:?}");
    }
    assert_eq!(place.found(), BTreeSet::new());
}

#[test]
fn nothing_is_installed_before_it_is_built() {
    let mut place = Place::new();
    place.program = place.path("missing");
    let ran = place.run("install");
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("Run: make build"), "{ran:?}");
    assert_eq!(place.found(), BTreeSet::new());
}
