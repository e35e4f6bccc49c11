//! redis-benchmark sends pipelines of commands.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use testkit::{HostKind, Lab, Mix, Service, run_within};

use super::unpacked::unpacked;
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};

pub const PIPELINES: Program = Program {
    name: "redis",
    asked: "Send 100,000 SETs in pipelines of 16 over 120 connections",
    unit: "% done",
    wan: true,
    prepare: pipelines,
};

const PORT: u16 = 6379;

fn program(name: &str) -> PathBuf {
    unpacked("redis-server", "usr/bin", name)
}

fn pipelines(lab: &Lab) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for Redis")?;
    let mut command = lab.world().command(program("redis-server"));
    command.current_dir(directory.path());
    command.args(["--port", &PORT.to_string(), "--bind", "0.0.0.0", "--save", "", "--protected-mode", "no"]);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let server = Service::listening(&mut command, lab.world(), at)?;
    let target = lab.draw(&Mix { live: 1, ..Mix::default() })?.of(HostKind::Live)[0].ip();
    let go = move |cgroup: &_| {
        let _serving = (server, directory);
        let mut command = lab.client().command_in(cgroup, program("redis-benchmark"));
        command.args(["-h", &target.to_string(), "-p", &PORT.to_string(), "-c", "120", "-P", "16"]);
        let ran = run_within(command.args(["-n", "100000", "-t", "set", "-q"]), LIMIT)?;
        let done = ran.succeeded() && ran.stdout.contains("requests per second");
        let error = |line: &str| line.contains("Could not connect") || line.contains("Error");
        Ok(Outcome::of_run(&ran, if done { 100 } else { 0 }, 100, error))
    };
    Ok(Task { go: Box::new(go), targets: vec![target] })
}
