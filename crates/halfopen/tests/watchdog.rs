//! The daemon's sign of life to the service manager: there while its loop turns, and only then.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up ends the test")]

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{Lab, require_lab};

/// How long the service manager waits for a sign, and how often the daemon gives one.
const WATCHDOG: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(500);
const BOUND: Duration = Duration::from_secs(30);

/// Ends with the test, whatever becomes of it.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next thing that is told within `patience`.
fn told(socket: &UnixDatagram, patience: Duration) -> Option<String> {
    let mut state = [0; 64];
    socket.set_read_timeout(Some(patience)).unwrap();
    let length = socket.recv(&mut state).ok()?;
    Some(String::from_utf8_lossy(&state[..length]).into_owned())
}

#[test]
fn it_is_alive_while_its_loop_turns_and_only_then() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_halfopen"))
        .args(["run", "--set", "persist=false", "--cgroup"])
        .arg(lab.cgroup().path())
        .env("HALFOPEN_RUN_DIR", directory.path().join("run"))
        .env("NOTIFY_SOCKET", directory.path().join("notify"))
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    assert_eq!(told(&socket, BOUND).as_deref(), Some("READY=1"));
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(told(&socket, BOUND).as_deref(), Some("WATCHDOG=1"));
    }
    // The first comes at once; three turns lie between it and the fourth.
    assert!(began.elapsed() >= TURN * 2, "more often than half of the time asked for: {:?}", began.elapsed());

    let pid = Pid::from_child(&daemon.0);
    kill_process(pid, Signal::STOP).unwrap();
    while told(&socket, TURN / 2).is_some() {}
    assert_eq!(told(&socket, WATCHDOG * 2), None, "a daemon that stands still says that it is alive");
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(told(&socket, BOUND).as_deref(), Some("WATCHDOG=1"));
}
