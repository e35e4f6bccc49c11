//! Under a service manager a start that fails says why, and is not tried again and again.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use testkit::desk::{PATIENCE, until};
use testkit::{Lab, require_lab};

/// The unit, as its service manager runs it.
struct Unit {
    child: Option<Child>,
    told: UnixDatagram,
    directory: tempfile::TempDir,
    lab: Lab,
}

impl Unit {
    fn new() -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(directory.path().join("run")).unwrap();
        fs::create_dir(directory.path().join("conf.d")).unwrap();
        fs::write(directory.path().join("halfopen.toml"), "preset = \"xp-sp2\"\n").unwrap();
        let told = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        Self { child: None, told, directory, lab }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
        command.args(["run", "--set", "persist=true", "--cgroup"]).arg(self.lab.cgroup().path());
        command.arg("--config").arg(self.path("halfopen.toml"));
        command.env("HALFOPEN_RUN_DIR", self.path("run")).env("HALFOPEN_PIN_DIR", self.lab.pins());
        command.env("NOTIFY_SOCKET", self.path("notify")).stdin(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }

    fn ends(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let status = until("the end", PATIENCE, || child.try_wait().unwrap());
        status.code()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// The next thing that the service manager is told which begins like this.
    fn told(&self, begins: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut state = [0; 4096];
        self.told.set_read_timeout(Some(PATIENCE)).unwrap();
        loop {
            let length = self.told.recv(&mut state).unwrap();
            let told = String::from_utf8_lossy(&state[..length]).into_owned();
            if told.starts_with(begins) {
                return told;
            }
            assert!(Instant::now() < end, "{told:?} instead of {begins:?}");
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.path("conf.d/99-wrong.toml"), text).unwrap();
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn it_waits_for_the_files_to_change_and_says_so() {
    require_lab!();
    let mut unit = Unit::new();
    unit.start();
    unit.told("READY=1");
    unit.signal(Signal::USR2);
    assert_eq!(unit.ends(), Some(0));

    // The first start tells at once, as whoever asked for it waits for the answer.
    unit.write("[host]\nhalf_opne = 3\n");
    unit.start();
    assert_eq!(unit.ends(), Some(1));
    let status = unit.told("STATUS=cannot start: ");
    let pinned = format!("; the limit pinned in {} goes on", unit.lab.pins().display());
    for said in ["99-wrong.toml:2:1: ", "half_open", &pinned] {
        assert!(status.contains(said), "{said:?} in {status}");
    }
    assert!(!status.contains('\n'), "{status}");

    // The next one is the service manager's own.
    unit.start();
    let status = unit.told("STATUS=");
    assert!(status.contains("99-wrong.toml:2:1: "), "{status}");
    assert!(status.contains("tried when the configuration changes"), "{status}");
    // It looks again and again.
    for _ in 0..3 {
        unit.told("EXTEND_TIMEOUT_USEC=");
    }
    assert!(unit.child.as_mut().unwrap().try_wait().unwrap().is_none(), "it has given up");
    assert!(unit.lab.pins().exists(), "the limit goes on");
    unit.write("[host]\nhalf_open = 3\n");
    unit.told("READY=1");
    assert!(!unit.path("run/failed-starts").exists());

    // A crash is no failed start: the next one does not wait.
    unit.signal(Signal::KILL);
    unit.ends();
    unit.start();
    unit.told("READY=1");
}

#[test]
fn a_stop_and_a_restart_end_the_wait() {
    require_lab!();
    let mut unit = Unit::new();
    unit.write("[host]\nhalf_opne = 3\n");
    for signal in [Signal::TERM, Signal::INT, Signal::USR2] {
        unit.start();
        assert_eq!(unit.ends(), Some(1));
        unit.start();
        unit.told("EXTEND_TIMEOUT_USEC=");
        unit.signal(signal);
        assert_eq!(unit.ends(), Some(0), "{signal:?}");
    }
    // What was wanted next is told at once again.
    unit.start();
    assert_eq!(unit.ends(), Some(1));
}

#[test]
fn what_may_pass_is_tried_again_after_a_while() {
    require_lab!();
    let mut unit = Unit::new();
    let lock = fs::File::create(unit.path("run/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    unit.start();
    assert_eq!(unit.ends(), Some(1));
    assert!(unit.told("STATUS=cannot start: ").contains("already running"));
    unit.start();
    let waits = unit.told("STATUS=cannot start: ");
    assert!(
        waits.contains("already running") && waits.ends_with("; the next start is tried within 10s"),
        "{waits}"
    );
    drop(lock);
    unit.told("READY=1");
}
