//! git clones a project with submodules.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::{Lab, Service, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::{Site, name, prepare};

pub const CLONE: Program = Program {
    name: "git",
    asked: "Clone a project with 12 submodules on 12 hosts, eight at a time, from git daemons",
    unit: "repositories",
    wan: true,
    prepare: clone,
};

const SUBMODULES: usize = 12;
const FILES: usize = 40;
const PORT: u16 = 9418;

fn clone(lab: &Lab) -> Result<Task<'_>> {
    let site = Site::serve(lab, SUBMODULES + 1, |_| Ok(()))?;
    let repositories = site.directory.path().join("repositories");
    let part = commit(&repositories.join("part"), |_| Ok(()), &[])?;
    let links: Vec<_> = (1..=SUBMODULES).map(|number| format!("160000,{part},part-{number}")).collect();
    commit(&repositories.join("project"), write_submodules, &links)?;
    let mut daemon = lab.world().command("git");
    daemon.args(["daemon", "--export-all", "--reuseaddr"]);
    daemon.arg(format!("--port={PORT}")).arg(format!("--base-path={}", repositories.display()));
    // Those whose repositories it shows are not checked to be its own user's.
    daemon.arg("--").arg(&repositories).env("HOME", site.directory.path());
    let daemon = Service::listening(&mut daemon, lab.world(), SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))?;
    let targets = site.addresses();
    let go = move |cgroup: &_| {
        let _daemon = daemon;
        let mut command = site.command(cgroup, "git");
        own_configuration(&mut command);
        command.args(["clone", "--quiet", "--recurse-submodules", "--jobs", "8"]);
        command.arg(format!("git://{}/project", name(0))).arg("cloned");
        let ran = run_within(&mut command, LIMIT)?;
        let cloned = site.directory.path().join("cloned");
        let whole = |place: &Path| place.join((FILES - 1).to_string()).exists();
        let parts = (1..=SUBMODULES).filter(|number| whole(&cloned.join(format!("part-{number}")))).count();
        let got = usize::from(whole(&cloned)) + parts;
        let error = |line: &str| line.starts_with("fatal:") || line.starts_with("error:");
        Ok(Outcome::of_run(&ran, got, SUBMODULES + 1, error))
    };
    Ok(Task { go: Box::new(go), targets })
}

/// Makes a repository of one commit; the commit's name.
fn commit(place: &Path, more: impl Fn(&Path) -> Result<()>, links: &[String]) -> Result<String> {
    fs::create_dir_all(place).with_context(|| format!("making {}", place.display()))?;
    for number in 0..FILES {
        fs::write(place.join(number.to_string()), format!("{number}\n").repeat(500))
            .with_context(|| format!("writing into {}", place.display()))?;
    }
    more(place)?;
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        own_configuration(&mut command);
        command.current_dir(place).args(["-c", "user.name=lab", "-c", "user.email=lab@site.example"]);
        prepare(command.args(arguments))
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "."])?;
    for link in links {
        git(&["update-index", "--add", "--cacheinfo", link])?;
    }
    git(&["commit", "--quiet", "--message=first"])?;
    git(&["rev-parse", "HEAD"])
}

fn write_submodules(place: &Path) -> Result<()> {
    let entry = |number| {
        let url = format!("git://{}/part", name(number));
        format!("[submodule \"part-{number}\"]\n\tpath = part-{number}\n\turl = {url}\n")
    };
    fs::write(place.join(".gitmodules"), (1..=SUBMODULES).map(entry).collect::<Vec<_>>().concat())
        .context("writing .gitmodules")
}

/// What the host has configured for git is not the lab's.
fn own_configuration(command: &mut Command) {
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
}
