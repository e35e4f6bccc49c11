//! hydra tries wrong passwords on SSH servers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::{Context, Result};
use testkit::{HostKind, Lab, Mix, Service, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::site::prepare;

pub const WRONG_PASSWORDS: Program = Program {
    name: "hydra",
    asked: "Try 6 passwords on each of 8 SSH servers, two at a time on each; counted by the servers",
    unit: "tries",
    wan: true,
    prepare: try_passwords,
};

const HOSTS: usize = 8;
const PASSWORDS: usize = 6;
const PORT: u16 = 2222;

fn try_passwords(lab: &Lab) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for sshd")?;
    let place = |name: &str| directory.path().join(name);
    let put =
        |name: &str, text: String| fs::write(place(name), text).with_context(|| format!("writing {name}"));
    let mut key = Command::new("ssh-keygen");
    prepare(key.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place("key")))?;
    put(
        "sshd_config",
        format!(
            "Port {PORT}\nHostKey {}\nPidFile none\nUsePAM no\nPasswordAuthentication yes\nUseDNS no\n\
             MaxStartups 200\nPerSourceMaxStartups none\n",
            place("key").display()
        ),
    )?;
    let live = lab.draw(&Mix { live: HOSTS, ..Mix::default() })?.of(HostKind::Live);
    put("hosts", live.iter().map(|host| format!("{}\n", host.ip())).collect::<Vec<_>>().concat())?;
    put("passwords", (0..PASSWORDS).map(|number| format!("wrong-{number}\n")).collect::<Vec<_>>().concat())?;
    let mut daemon = lab.world().command("unshare");
    // It wants a directory in /run and notes failures in /var/log: both are its own here, not the host's.
    daemon.args(["--mount", "sh", "-c"]).arg(
        "mount -t tmpfs none /run && mount -t tmpfs none /var/log && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd \"$@\"",
    );
    daemon.args(["sshd", "-D", "-f"]).arg(place("sshd_config")).arg("-E").arg(place("log"));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let daemon = Service::listening(&mut daemon, lab.world(), at)?;
    let go = move |cgroup: &_| {
        let _daemon = daemon;
        let place = |name: &str| directory.path().join(name);
        let mut command = lab.client().command_in(cgroup, "hydra");
        command.current_dir(directory.path()).env("HOME", directory.path());
        command
            .args(["-I", "-l", "nobody-here", "-t", "2", "-s", &PORT.to_string(), "-P"])
            .arg(place("passwords"));
        let ran = run_within(command.arg("-M").arg(place("hosts")).arg("ssh"), LIMIT)?;
        let log = fs::read_to_string(place("log")).context("reading the log of sshd")?;
        let tries = log.lines().filter(|line| line.starts_with("Failed password")).count();
        Ok(Outcome::of_run(&ran, tries, HOSTS * PASSWORDS, |line| line.starts_with("[ERROR]")))
    };
    let targets = live.iter().map(SocketAddr::ip).collect();
    Ok(Task { go: Box::new(go), targets })
}
