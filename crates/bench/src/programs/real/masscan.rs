//! masscan, which has a TCP stack of its own and sends Ethernet frames.

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::{CLIENT_V4, Lab, Namespace, PORT, run_within};

use super::nmap::{LIVE, NETWORK, network};
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const SCAN: Program = Program {
    name: "masscan",
    asked: "masscan at 100 packets a second: the same network (AF_PACKET)",
    unit: "live hosts",
    wan: false,
    prepare: scan,
};

fn scan(lab: &Lab) -> Result<Task<'_>> {
    let targets = network(lab)?;
    let (interface, router) = (link(lab.client())?, link(lab.world())?);
    let go = move |cgroup: &_| {
        let directory = tempfile::tempdir().context("making a directory for masscan")?;
        let mut command = lab.client().command_in(cgroup, "masscan");
        command.current_dir(directory.path()).env("HOME", directory.path());
        command.args([NETWORK, "--rate", "100", "--wait", "3", "-p", &PORT.to_string()]);
        command.args(["--adapter", &interface.name, "--adapter-ip", &CLIENT_V4.to_string()]);
        command.args(["--adapter-mac", &interface.address, "--router-mac", &router.address]);
        let ran = run_within(&mut command, LIMIT)?;
        let got = ran.stdout.lines().filter(|line| line.starts_with("Discovered open port")).count();
        Ok(Outcome::of_run(&ran, got, LIVE, |line| line.contains("FAIL") || line.contains("error")))
    };
    Ok(Task { go: Box::new(go), targets })
}

/// One end of the wire.
struct Link {
    name: String,
    address: String,
}

fn link(namespace: &Namespace) -> Result<Link> {
    let listed = prepare(namespace.command("ip").args(["-json", "link", "show", "type", "veth"]))?;
    let listed: Value = serde_json::from_str(&listed).context("reading what ip says")?;
    let field = |name: &str| listed[0][name].as_str().map(str::to_owned).context("ip shows no link");
    Ok(Link { name: field("ifname")?, address: field("address")? })
}
