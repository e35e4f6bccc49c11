//! apt reads the lists of eight repositories and downloads what is new.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::page::WEB;
use testkit::{Lab, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::{Site, name, prepare};

pub const UPDATE_AND_DOWNLOAD: Program = Program {
    name: "apt",
    asked: "apt-get update from 8 repositories on 8 hosts, then download 16 packages from them",
    unit: "packages",
    wan: true,
    prepare: update_and_download,
};

const REPOSITORIES: usize = 8;
const PACKAGES_EACH: usize = 2;

fn update_and_download(lab: &Lab) -> Result<Task<'_>> {
    let site =
        Site::serve(lab, REPOSITORIES, |root| (0..REPOSITORIES).try_for_each(|at| repository(root, at)))?;
    let state = site.directory.path().join("state");
    own_state(&state)?;
    let targets = site.addresses();
    let go = move |cgroup: &_| {
        let mut command = site.command(cgroup, "sh");
        command.args(["-c", r#"apt-get -q update && cd got && exec apt-get -q download "$@""#, "sh"]);
        command.args((0..REPOSITORIES).flat_map(packages));
        command.env("APT_CONFIG", state.join("apt.conf")).current_dir(&state);
        let ran = run_within(&mut command, LIMIT)?;
        let files = fs::read_dir(state.join("got")).context("looking at what was downloaded")?;
        let is_package = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|kind| kind == "deb");
        let got = files.flatten().filter(is_package).count();
        let error = |line: &str| line.starts_with("E:") || line.starts_with("Err:");
        Ok(Outcome::of_run(&ran, got, REPOSITORIES * PACKAGES_EACH, error))
    };
    Ok(Task { go: Box::new(go), targets })
}

fn packages(repository: usize) -> impl Iterator<Item = String> {
    (0..PACKAGES_EACH).map(move |number| format!("lab-{repository}-{number}"))
}

/// Builds the packages of one repository, and its list.
fn repository(root: &Path, number: usize) -> Result<()> {
    let place = root.join(number.to_string());
    for package in packages(number) {
        let built = place.join(&package);
        fs::create_dir_all(built.join("DEBIAN")).with_context(|| format!("making {}", built.display()))?;
        fs::create_dir_all(built.join("usr/share/lab")).context("making a package")?;
        fs::write(built.join("usr/share/lab").join(&package), vec![b'x'; 65_536])
            .context("making a package")?;
        let control = format!(
            "Package: {package}\nVersion: 1.0\nArchitecture: all\nMaintainer: lab <lab@site.example>\n\
             Description: nothing\n"
        );
        fs::write(built.join("DEBIAN/control"), control).context("making a package")?;
        let deb = place.join(format!("{package}_1.0_all.deb"));
        prepare(
            Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).arg(&built).arg(&deb),
        )?;
        fs::remove_dir_all(&built).context("clearing up after a package")?;
    }
    let list = prepare(Command::new("apt-ftparchive").args(["packages", "."]).current_dir(&place))?;
    fs::write(place.join("Packages"), list + "\n").context("writing a list of packages")?;
    let release = prepare(Command::new("apt-ftparchive").args(["release", "."]).current_dir(&place))?;
    fs::write(place.join("Release"), release + "\n").context("writing a repository's description")
}

/// All that apt reads and writes, in a directory of its own: the host's lists and packages stay what they are.
fn own_state(state: &Path) -> Result<()> {
    for place in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "lists/partial",
        "cache/archives/partial",
        "log",
        "got",
    ] {
        fs::create_dir_all(state.join(place)).with_context(|| format!("making {place} for apt"))?;
    }
    let put = |name: &str, text: String| {
        fs::write(state.join(name), text).with_context(|| format!("writing {name} for apt"))
    };
    put("status", String::new())?;
    let source = |number| format!("deb [trusted=yes] http://{}:{WEB}/{number} ./\n", name(number));
    put("etc/apt/sources.list", (0..REPOSITORIES).map(source).collect::<Vec<_>>().concat())?;
    let place = state.display();
    put(
        "apt.conf",
        format!(
            "Dir \"{place}/\";\nDir::State \"{place}/\";\nDir::State::lists \"lists/\";\n\
             Dir::State::status \"{place}/status\";\nDir::Cache \"{place}/cache/\";\nDir::Log \"{place}/log\";\n\
             Dir::Etc \"{place}/etc/apt/\";\nDir::Etc::sourceparts \"-\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\n"
        ),
    )
}
