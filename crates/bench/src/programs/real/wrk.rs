//! wrk keeps many connections to a web server busy.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use testkit::page::web_server;
use testkit::{HostKind, Lab, Mix, run_within};

use super::curl::FILE;
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};

pub const LOAD: Program = Program {
    name: "wrk",
    asked: "Load a web server for 5 s over 120 connections",
    unit: "requests answered, of as many as may be",
    wan: true,
    prepare: load,
};

const PORT: u16 = 8080;

fn load(lab: &Lab) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for a web server")?;
    let root = directory.path().join("root");
    fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
    fs::write(root.join(FILE), "x".repeat(1024)).context("writing a file to serve")?;
    let web = web_server(lab, directory.path(), PORT)?;
    let target = lab.draw(&Mix { live: 1, ..Mix::default() })?.of(HostKind::Live)[0].ip();
    let go = move |cgroup: &_| {
        let _web = (web, directory);
        let mut command = lab.client().command_in(cgroup, "wrk");
        command.args(["--threads", "2", "--connections", "120", "--duration", "5s", "--timeout", "5s"]);
        let ran = run_within(
            command.arg("--latency").arg(format!("http://{}/{FILE}", SocketAddr::new(target, PORT))),
            LIMIT,
        )?;
        let line = ran.stdout.lines().find(|line| line.contains(" requests in "));
        let answered = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        // Its errors are counts, which tell more with their numbers.
        let mut outcome = Outcome::of_run(&ran, answered, 0, |_| false);
        let errors = ran.stdout.lines().filter(|line| line.contains("Socket errors"));
        outcome.errors = errors.map(|line| line.trim().to_owned()).collect();
        Ok(outcome)
    };
    Ok(Task { go: Box::new(go), targets: vec![target] })
}
