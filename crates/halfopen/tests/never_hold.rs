//! Programs that the host cannot do without are never held, whoever else waits; who only looks like one is.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::rig;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use testkit::desk::{self, PATIENCE, unbroken};
use testkit::rig::{AT_ONCE, block, limit, until};
use testkit::{Cgroup, Dialling, HostKind, Lab, Limiter, Mix, PORT, Scope, require_lab};

const LIMIT: u32 = 2;
const NOBODY: u32 = 65_534;
/// Dials with its own connect(), one after the other, as it is told.
const DIALS: &str = "[ -z \"$NAME\" ] || printf %s \"$NAME\" > /proc/self/comm; echo ready; \
                     while read -r to; do exec 3<>/dev/tcp/$to && echo connected || echo failed; done";

/// A shell that dials, run from any file. Dropping it ends it.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<String>,
}

impl Shell {
    fn start(mut command: Command) -> Self {
        command.args(["-c", DIALS]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (line, said) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "ready");
        Self { child, stdin, said }
    }

    fn dial(&mut self, to: SocketAddr) {
        writeln!(self.stdin, "{}/{}", to.ip(), to.port()).unwrap();
    }

    fn connects(&self) {
        assert_eq!(self.said.recv_timeout(AT_ONCE).as_deref(), Ok("connected"));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All slots are taken by attempts that nobody will answer, for longer than the test.
struct Full {
    _blockers: Dialling,
    limiter: Limiter,
    lab: Lab,
}

impl Full {
    fn with(lab: Lab, never_hold: &str) -> Self {
        let limiter = limit(&lab, lab.cgroup(), LIMIT, &[("never_hold", never_hold)]);
        let blockers = block(&lab, lab.cgroup(), &limiter, LIMIT);
        Self { _blockers: blockers, limiter, lab }
    }

    fn live(&self) -> SocketAddr {
        rig::host(&self.lab, HostKind::Live, testkit::Family::V4)
    }

    fn run(&self, cgroup: &Cgroup, program: &Path) -> Shell {
        Shell::start(self.lab.client().command_in(cgroup, program))
    }

    fn run_as(&self, user: u32, program: &Path) -> Shell {
        let mut command = self.lab.client().command_in(self.lab.cgroup(), "setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={user}"))
            .arg("--clear-groups")
            .arg(program);
        Shell::start(command)
    }

    /// It connects although no slot is free, and is counted.
    fn goes_out(&self, mut shell: Shell) {
        let before = self.scope();
        shell.dial(self.live());
        shell.connects();
        let after =
            until(&self.limiter, "it to be counted", AT_ONCE, |host| host.established > before.established);
        assert_eq!((after.admitted, after.queued), (before.admitted + 1, before.queued));
    }

    /// It waits like any other.
    fn is_held(&self, mut shell: Shell) -> Shell {
        let before = self.scope();
        shell.dial(self.live());
        let after = until(&self.limiter, "it to wait", AT_ONCE, |host| host.queued > before.queued);
        assert_eq!(after.admitted, before.admitted);
        shell
    }

    fn scope(&self) -> Scope {
        self.limiter.status().unwrap().host
    }
}

fn shell() -> PathBuf {
    fs::canonicalize("/bin/bash").unwrap()
}

/// A lab's cgroups lie directly below the root.
fn path_of(cgroup: &Cgroup) -> String {
    format!("/{}", cgroup.path().file_name().unwrap().to_str().unwrap())
}

/// A directory with an executable of our own that anybody may run.
struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let installed = Self(directory);
        installed.copy("agent");
        installed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Written by another process: see `desk::mounts::install`.
    fn copy(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let copied = Command::new("cp").arg(shell()).arg(&path).status().unwrap();
        assert!(copied.success());
        path
    }

    fn rule(&self) -> String {
        format!("[{{ exe = \"{}\" }}]", self.path("agent").display())
    }
}

#[test]
fn a_cgroup_and_those_below_it_though_just_made() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let never_hold = lab.cgroup().child("never_hold").unwrap();
    let rule = format!("[{{ cgroup = \"{}/never_hold\", reason = \"a test\" }}]", path_of(lab.cgroup()));
    let full = Full::with(lab, &rule);
    full.goes_out(full.run(&never_hold, &shell()));
    let fresh = never_hold.child("fresh").unwrap();
    full.goes_out(full.run(&fresh, &shell()));
    let fresher = fresh.child("fresher").unwrap();
    full.goes_out(full.run(&fresher, &shell()));
    let beside = full.lab.cgroup().child("never_hold.2").unwrap();
    let _beside = full.is_held(full.run(&beside, &shell()));
    let _above = full.is_held(full.run(full.lab.cgroup(), &shell()));
    assert_eq!(full.scope().queued, 2);
}

#[test]
fn a_user_until_the_rule_is_gone() {
    require_lab!();
    let full = Full::with(Lab::new().unwrap(), "[{ user = \"nobody\" }]");
    full.goes_out(full.run_as(NOBODY, &shell()));
    let _other = full.is_held(full.run_as(NOBODY - 1, &shell()));
    let shown = full.limiter.get("never_hold").unwrap();
    assert_eq!(shown, "[{ user = \"nobody\" }]");
    full.limiter.set("never_hold", "[]").unwrap();
    let _no_longer = full.is_held(full.run_as(NOBODY, &shell()));
}

#[test]
fn a_full_queue_refuses_others_only() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let rules = format!("[{{ user = {NOBODY} }}]");
    let limiter = limit(&lab, lab.cgroup(), LIMIT, &[("never_hold", &rules), ("queue", "1")]);
    let blockers = block(&lab, lab.cgroup(), &limiter, LIMIT);
    let full = Full { _blockers: blockers, limiter, lab };
    let _waits = full.is_held(full.run(full.lab.cgroup(), &shell()));
    let mut refused = full.run(full.lab.cgroup(), &shell());
    refused.dial(full.live());
    assert_eq!(refused.said.recv_timeout(AT_ONCE).as_deref(), Ok("failed"));
    assert_eq!(full.scope().refused_overflow, 1);
    full.goes_out(full.run_as(NOBODY, &shell()));
}

#[test]
fn a_rule_that_meets_nobody_is_told() {
    require_lab!();
    let rules = "[{ user = 'no such user' }, { exe = '/nonexistent' }]";
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, lab.cgroup(), LIMIT, &[("never_hold", rules)]);
    let status = limiter.command().arg("status").output().unwrap();
    let status = unbroken(&String::from_utf8(status.stdout).unwrap());
    for why in ["no user no such user: getent passwd finds none", "there is no /nonexistent"] {
        assert!(status.contains(why) && limiter.stderr().contains(why), "{why}: {status}");
    }
}

#[test]
fn all_that_a_rule_asks_for_must_hold() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let never_hold = lab.cgroup().child("never_hold").unwrap();
    let rule = format!("[{{ cgroup = \"{}/never_hold\", user = {NOBODY} }}]", path_of(lab.cgroup()));
    let full = Full::with(lab, &rule);
    let _another_user = full.is_held(full.run(&never_hold, &shell()));
    let _another_cgroup = full.is_held(full.run_as(NOBODY, &shell()));
    let mut both = full.lab.client().command_in(&never_hold, "setpriv");
    both.arg(format!("--reuid={NOBODY}")).arg("--clear-groups").arg(shell());
    full.goes_out(Shell::start(both));
}

#[test]
fn a_file_by_whatever_name_but_no_copy_of_it_and_no_name() {
    require_lab!();
    let installed = Installed::new();
    let agent = installed.path("agent");
    let full = Full::with(Lab::new().unwrap(), &installed.rule());
    full.goes_out(full.run(full.lab.cgroup(), &agent));
    let link = installed.path("link");
    fs::hard_link(&agent, &link).unwrap();
    full.goes_out(full.run(full.lab.cgroup(), &link));
    let mounted = installed.path("mounted");
    fs::write(&mounted, "").unwrap();
    let mut elsewhere = full.lab.client().command_in(full.lab.cgroup(), "unshare");
    elsewhere
        .args(["--mount", "sh", "-c", "mount --bind \"$0\" \"$1\" && exec \"$@\""])
        .arg(&agent)
        .arg(&mounted);
    full.goes_out(Shell::start(elsewhere));

    let _copy = full.is_held(full.run(full.lab.cgroup(), &installed.copy("copy")));
    let mut renamed = full.lab.client().command_in(full.lab.cgroup(), shell());
    renamed.env("NAME", "agent");
    let renamed = full.is_held(Shell::start(renamed));
    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", renamed.child.id())).unwrap(), "agent\n");
    let _somebody_s = full.is_held(full.run_as(NOBODY, &agent));
}

#[test]
fn a_file_that_was_replaced_is_the_new_one() {
    require_lab!();
    let installed = Installed::new();
    let agent = installed.path("agent");
    let full = Full::with(Lab::new().unwrap(), &installed.rule());
    let started_before = full.run(full.lab.cgroup(), &agent);
    fs::rename(installed.copy("agent.new"), &agent).unwrap();
    let noticed = || full.limiter.stderr().contains("a file that `never_hold` names was replaced");
    desk::until("the new file to be noticed", PATIENCE, || noticed().then_some(()));
    let _no_longer = full.is_held(started_before);
    full.goes_out(full.run(full.lab.cgroup(), &agent));
}

#[test]
fn what_is_never_held_still_takes_a_slot() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let rules = format!("[{{ user = {NOBODY} }}]");
    let limiter = limit(&lab, lab.cgroup(), LIMIT, &[("never_hold", &rules)]);
    let blockers = block(&lab, lab.cgroup(), &limiter, LIMIT - 1);
    let full = Full { _blockers: blockers, limiter, lab };
    let dead = full.lab.draw(&Mix { dead: 1, ..Mix::default() }).unwrap();
    let mut never_hold = full.run_as(NOBODY, &shell());
    never_hold.dial(SocketAddr::new(dead.all()[0].address, PORT));
    until(&full.limiter, "all slots taken", AT_ONCE, |host| host.half_open == i64::from(LIMIT));
    let other = full.is_held(full.run(full.lab.cgroup(), &shell()));
    drop(never_hold);
    other.connects();
}
