//! A daemon on the real kernel, limiting a cgroup that nothing is in: what it takes orders for, and what it leaves.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up ends the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use testkit::{Lab, require_lab};

const PATIENCE: Duration = Duration::from_secs(30);

/// A cgroup of this test's own, and a running daemon that limits it.
struct Daemon {
    directory: tempfile::TempDir,
    cgroup: PathBuf,
    child: Child,
    log: Receiver<String>,
}

/// The version 2 hierarchy's mount; `None`, said why, where this test cannot run.
fn hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    let reason = match &mount {
        Some(_) if rustix::process::geteuid().is_root() => return mount,
        Some(_) => "loading the kernel part needs root",
        None => "no cgroup2 hierarchy is mounted",
    };
    assert!(std::env::var_os("REQUIRE_PRIVILEGED").is_none(), "must not be skipped: {reason}");
    eprintln!("skipped: {reason}");
    None
}

impl Daemon {
    fn start(name: &str, config: &str) -> Option<Self> {
        let cgroup = hierarchy()?.join(format!("halfopen-test-{}-{name}", std::process::id()));
        fs::create_dir(&cgroup).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("halfopen.toml"), config).unwrap();
        let notified = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        notified.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut child = program(directory.path())
            .args(["run", "--config"])
            .arg(directory.path().join("halfopen.toml"))
            .arg("--cgroup")
            .arg(&cgroup)
            .env("NOTIFY_SOCKET", directory.path().join("notify"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        let daemon = Self { directory, cgroup, child, log };
        daemon.says("ready");
        let mut state = [0; 32];
        let length = notified.recv(&mut state).unwrap();
        assert_eq!(&state[..length], b"READY=1");
        Some(daemon)
    }

    /// Waits for a line with `text` in it on the daemon's standard error.
    fn says(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).unwrap_or_else(|e| panic!("{text:?} was never said: {e}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } =
            program(self.directory.path()).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        (status.code(), text(stdout), text(stderr))
    }

    fn get(&self, name: &str) -> String {
        self.ask(&["get", name]).1
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn ended(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Only what this test started is in its cgroup.
        let _ = fs::write(self.cgroup.join("cgroup.kill"), "1");
        let end = Instant::now() + Duration::from_secs(5);
        while self.cgroup.exists() && Instant::now() < end {
            remove_tree(&self.cgroup);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn remove_tree(cgroup: &Path) {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    for child in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&child.path());
    }
    let _ = fs::remove_dir(cgroup);
}

fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
    command.env("HALFOPEN_RUN_DIR", directory.join("run")).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

#[test]
fn values_change_while_it_runs_and_wrong_ones_do_not() {
    let Some(daemon) = Daemon::start("set", "# mine\n[host]\nhalf_open = 7\n") else { return };
    assert_eq!(daemon.get("TcpNumConnections"), "7");
    assert_eq!(daemon.ask(&["set", "TcpNumConnections", "0xfffffe"]).0, Some(0));
    assert_eq!(
        (daemon.get("half_open").as_str(), daemon.get("TcpNumConnections").as_str()),
        ("unlimited", "16777214")
    );
    for (name, value) in [("half_open", "0"), ("half_open", "-1"), ("half_open", "ten"), ("hlaf_open", "3")] {
        let (code, _, error) = daemon.ask(&["set", name, value]);
        assert_eq!(code, Some(2), "{error}");
    }
    assert_eq!(daemon.get("half_open"), "unlimited");

    let (code, _, error) = daemon.ask(&["set", "--save", "queue", "77"]);
    assert_eq!(code, Some(0), "{error}");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.says("host.half_open = unlimited was set without --save and is dropped: now 7");
    assert_eq!((daemon.get("half_open").as_str(), daemon.get("queue").as_str()), ("7", "77"));

    let broken = daemon.directory.path().join("conf.d/95-broken.toml");
    fs::write(&broken, "\nmode = \"on\"\n").unwrap();
    daemon.signal(rustix::process::Signal::HUP);
    daemon.says("95-broken.toml:2:8: mode = \"on\"");
    assert_eq!((daemon.get("mode").as_str(), daemon.get("queue").as_str()), ("enforce", "77"));
}

#[test]
fn the_second_is_refused_and_off_leaves_nothing() {
    let Some(mut daemon) = Daemon::start("off", "") else { return };
    let config = daemon.directory.path().join("halfopen.toml");
    let (code, _, error) = daemon.ask(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("pid {} holds ", daemon.child.id())), "{error}");

    let socket = fs::metadata(daemon.directory.path().join("run/control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let status: serde_json::Value = serde_json::from_str(&daemon.ask(&["status", "--json"]).1).unwrap();
    let usual = halfopen::config::Resolved::default().host().half_open;
    assert_eq!((&status["mode"], &status["host"]["half_open_limit"]), (&"enforce".into(), &usual.into()));

    assert_eq!(daemon.ask(&["off"]).0, Some(0));
    assert_eq!(daemon.ended(), Some(0));
    assert!(!daemon.directory.path().join("run").exists());
    assert_eq!(fs::remove_dir(&daemon.cgroup).map_err(|e| e.to_string()), Ok(()), "a cgroup is left");
}

#[test]
fn a_daemon_that_does_not_answer_is_killed() {
    let Some(mut daemon) = Daemon::start("stopped", "") else { return };
    daemon.signal(rustix::process::Signal::STOP);
    let (code, out, error) = daemon.ask(&["off"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("did not answer and was killed"), "{out}");
    assert_eq!(daemon.ended(), None, "ended by a signal");
    assert!(daemon.directory.path().join("run/control.sock").exists(), "nobody is left to remove it");
    let mut next = program(daemon.directory.path())
        .args(["run", "--config"])
        .arg(daemon.directory.path().join("halfopen.toml"))
        .arg("--cgroup")
        .arg(&daemon.cgroup)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(next.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|l| l.contains("ready"));
    assert_eq!((ready, daemon.ask(&["off"]).0), (true, Some(0)));
    assert!(next.wait().unwrap().success());
}

#[test]
fn a_scope_lasts_as_long_as_its_program() {
    let Some(daemon) = Daemon::start("exec", "") else { return };
    let script = "grep -o 'halfopen.exec/exec-[0-9]*$' /proc/self/cgroup; exit 42";
    let (code, out, error) = daemon.ask(&["exec", "--half-open", "3", "--", "sh", "-c", script]);
    assert_eq!(code, Some(42), "{error}");
    assert!(out.starts_with("halfopen.exec/exec-"), "{out}");
    assert_eq!(daemon.ask(&["exec", "--", "/nonexistent"]).0, Some(127));
    assert_eq!(daemon.ask(&["exec", "--half-open", "0", "--", "true"]).0, Some(2));
    assert_eq!(daemon.ask(&["exec", "--", "sh", "-c", "kill -TERM $$"]).0, Some(128 + 15));

    let mut client = program(daemon.directory.path())
        .args(["exec", "--drain", "2/s", "--", "sleep", "600"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let name = format!("exec-{}", client.id());
    let scope = daemon.cgroup.join("halfopen.exec").join(&name);
    let procs = || fs::read_to_string(scope.join("cgroup.procs")).unwrap_or_default();
    let condition = |met: &dyn Fn() -> bool, what: &str| {
        let end = Instant::now() + PATIENCE;
        while !met() {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    condition(&|| procs().lines().count() == 2, "the program never ran in its scope");
    assert_eq!(daemon.get(&format!("scope.{name}.drain")), "2/s");
    let own = client.id().to_string();
    let program = procs().lines().find(|pid| *pid != own).unwrap().to_owned();
    client.kill().unwrap();
    client.wait().unwrap();
    condition(&|| !scope.exists(), "the scope outlives its client");
    let moved = fs::read_to_string(daemon.cgroup.join("halfopen.exec/cgroup.procs")).unwrap();
    assert!(moved.lines().any(|pid| pid == program), "{program} is not in {moved:?}");
}

/// `script` gives the program a terminal.
#[test]
fn who_wants_no_colour_gets_none_from_run() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let executable = env!("CARGO_BIN_EXE_halfopen");
    let log = |no_color: &str| {
        let command =
            format!("{executable} run --config /dev/null --cgroup {}", lab.cgroup().path().display());
        let mut script = Command::new("script");
        script.args(["--quiet", "--flush", "--command", &command, "/dev/null"]);
        script
            .env("HALFOPEN_RUN_DIR", directory.path().join("run"))
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color);
        let mut running = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.by_ref().find(|line| line.contains("ready: ")).expect("the daemon is ready");
        for arguments in [&["set", "mode", "audit"][..], &["off"]] {
            let said = program(directory.path()).args(arguments).output().unwrap();
            assert!(said.status.success(), "{said:?}");
        }
        let log: Vec<String> = lines.collect();
        running.wait().unwrap();
        log.into_iter().find(|line| line.contains("(was enforce)")).expect("the change is logged")
    };
    let (coloured, plain) = (log(""), log("1"));
    assert!(coloured.contains("\x1b["), "an empty value wants nothing: {coloured:?}");
    assert!(!plain.contains("\x1b["), "{plain:?}");
}
