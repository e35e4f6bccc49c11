//! A node of libp2p that looks for peers among addresses of which few are alive.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use testkit::{HostKind, Hosts, Lab, Mix, Service, run_within};

use super::go::built_once;
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const PEERS: Program = Program {
    name: "libp2p",
    asked: "A node (TCP, Noise, Yamux) dials 20 of 400 addresses a second, of which three are alive, with five seconds \
            for each, until it has 30 peers",
    unit: "peers",
    wan: true,
    prepare: look_for_peers,
};

/// Of those that it dials in one second. Drawn all at once, luck would say how soon it has its peers.
const LIVE: usize = 3;
const DEAD: usize = 17;
const SECONDS: usize = 20;
/// What the node asks for; see its own source.
const WANTED: usize = 30;
const PORT: u16 = 4001;
/// Not a member of the workspace: what it depends on is not to be in the project's lock file.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/libp2p-node/Cargo.toml");

static BUILT: OnceLock<PathBuf> = OnceLock::new();

fn build(directory: &Path) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path", SOURCE]);
    prepare(command.arg("--target-dir").arg(directory)).map(drop)
}

fn look_for_peers(lab: &Lab) -> Result<Task<'_>> {
    let node = built_once(&BUILT, "libp2p", build)?.join("release/libp2p-node");
    let mix = Mix { live: LIVE, dead: DEAD, ..Mix::default() };
    let hosts = (0..SECONDS).map(|_| lab.draw(&mix)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<_> = hosts.iter().flat_map(Hosts::destinations).collect();
    let live: Vec<_> = hosts.iter().flat_map(|hosts| hosts.of(HostKind::Live)).collect();
    let place = |host: &SocketAddr| format!("/ip4/{}/tcp/{PORT}", host.ip());
    let mut listen = lab.world().command(&node);
    listen.arg("listen").args(live.iter().map(place));
    // It listens at one place after the other, and serves none before it listens at all.
    let last = live.last().context("nobody is alive")?;
    let at = SocketAddr::new(last.ip(), PORT);
    let listeners = Service::listening(&mut listen, lab.world(), at)?;
    let targets = all.iter().map(SocketAddr::ip).collect();
    let go = move |cgroup: &_| {
        let _listening = listeners;
        let mut command = lab.client().command_in(cgroup, &node);
        command.arg("dial").args(all.iter().map(place));
        let ran = run_within(&mut command, LIMIT)?;
        let got = ran.stdout.lines().filter(|line| line.starts_with("peer ")).count();
        // Those who do not answer are meant not to.
        let error = |line: &str| {
            let failed = ["no peer: ", "lost ", "Error: "].iter().any(|begin| line.starts_with(begin));
            failed && !line.contains("Timeout")
        };
        Ok(Outcome::of_run(&ran, got, WANTED, error))
    };
    Ok(Task { go: Box::new(go), targets })
}
