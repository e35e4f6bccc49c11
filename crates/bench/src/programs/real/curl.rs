//! curl fetches a file from each of forty hosts.

use std::fs;

use anyhow::{Context, Result};
use testkit::{Lab, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::Site;

pub const ONE_BY_ONE: Program = Program {
    name: "curl",
    asked: "Fetch a file from each of 40 hosts, one after the other",
    unit: "files",
    wan: true,
    prepare: |lab| fetch(lab, &[]),
};

pub const AT_ONCE: Program = Program {
    name: "curl-parallel",
    asked: "The same, all 40 at once (--parallel-immediate)",
    unit: "files",
    wan: true,
    prepare: |lab| fetch(lab, &["--parallel", "--parallel-immediate", "--parallel-max", "40"]),
};

/// How many hosts the clients of many hosts call.
pub const HOSTS: usize = 40;
/// What they fetch.
pub const FILE: &str = "file";

/// Sites of one file each.
pub fn sites(lab: &Lab) -> Result<Site<'_>> {
    Site::serve(lab, HOSTS, |root| {
        fs::write(root.join(FILE), "x".repeat(8192)).context("writing a file to serve")
    })
}

fn fetch<'a>(lab: &'a Lab, how: &'static [&'static str]) -> Result<Task<'a>> {
    let site = sites(lab)?;
    let targets = site.addresses();
    let go = move |cgroup: &_| {
        let mut command = site.command(cgroup, "curl");
        command.args(["--disable", "--silent", "--show-error"]).args(how);
        let got = site.directory.path().join("got");
        fs::create_dir(&got).context("making a directory for what is fetched")?;
        for (number, place) in site.places(FILE).iter().enumerate() {
            command.arg(place).arg("--output").arg(got.join(number.to_string()));
        }
        let ran = run_within(&mut command, LIMIT)?;
        let whole = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|file| file.len() == 8192);
        let files = fs::read_dir(&got).context("looking at what was fetched")?;
        let files = files.flatten().filter(whole).count();
        Ok(Outcome::of_run(&ran, files, HOSTS, |line| line.starts_with("curl:")))
    };
    Ok(Task { go: Box::new(go), targets })
}
