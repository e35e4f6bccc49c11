//! A client in Go, with its own resolver and sockets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use testkit::{Lab, run_within};

use super::curl::{FILE, HOSTS, sites};
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const CLIENT: Program = Program {
    name: "go",
    asked: "net/http: fetch a file from each of 40 hosts, all at once, with the 30 s that its default gives a connection",
    unit: "files",
    wan: true,
    prepare: |lab| {
        let client = built_once(&BUILT, "go", build)?.join("client");
        fetch(lab, vec![client.display().to_string()])
    },
};

/// Where the client is, once it has been built.
static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// Builds a client once for all runs, beside the running program, where its build stays for the next time.
pub fn built_once(
    place: &'static OnceLock<PathBuf>,
    name: &str,
    build: fn(&Path) -> Result<()>,
) -> Result<&'static Path> {
    if place.get().is_none() {
        let running = std::env::current_exe().context("finding the running program")?;
        let directory = running.with_extension("clients").join(name);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        build(&directory)?;
        // Nobody else builds: programs are run one after the other.
        let _ = place.set(directory);
    }
    place.get().map(PathBuf::as_path).context("what was built is not there")
}

fn build(directory: &Path) -> Result<()> {
    fs::write(directory.join("client.go"), include_str!("client.go")).context("writing client.go")?;
    let mut command = Command::new("go");
    command.args(["build", "-o", "client", "client.go"]).current_dir(directory);
    command.env("GOCACHE", directory.join("cache")).env("GO111MODULE", "off").env("GOFLAGS", "");
    prepare(&mut command).map(drop)
}

/// Runs a client that prints how many of its command line's URLs came.
pub fn fetch(lab: &Lab, client: Vec<String>) -> Result<Task<'_>> {
    let site = sites(lab)?;
    let targets = site.addresses();
    let go = move |cgroup: &_| {
        let mut command = site.command(cgroup, &client[0]);
        command.args(&client[1..]).args(site.places(FILE));
        let ran = run_within(&mut command, LIMIT)?;
        let got = ran.stdout.trim().parse().unwrap_or(0);
        Ok(Outcome::of_run(&ran, got, HOSTS, |line| line.starts_with("error:")))
    };
    Ok(Task { go: Box::new(go), targets })
}
