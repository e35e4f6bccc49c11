//! Waiters are woken when their turn comes, by a packet that never leaves the host, and nothing depends on it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::rig;

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::desk::{self, PATIENCE};
use testkit::invariant::{Invariant, attempts};
use testkit::rig::calls::Calls;
use testkit::rig::{AT_ONCE, Rig, allow, host, limit, until};
use testkit::{Cgroup, Dialer, Family, HostKind, Kind, Lab, Mix, Segment, Side, require_lab};

/// From one turn to the next: no waiter's first timer runs sooner where it is to be woken.
const TURN: Duration = Duration::from_secs(6);
const SLOW: [(&str, &str); 2] = [("drain", "1/6s"), ("max_wait", "5m")];
/// After which the daemon's promise to wake waiters is in force.
const PROMISED: Duration = Duration::from_millis(1_500);
/// After which the promise of one that has ended is not.
const PROMISE_ENDED: Duration = Duration::from_secs(4);

/// A rig whose waiters' timers are long, as turns are far apart; the first turn is always due.
fn slow_rig() -> Rig {
    let rig = Rig::new(1, &SLOW);
    sleep(PROMISED);
    rig
}

fn rechecks(rig: &Rig) -> u64 {
    rig.counter("TcpExt", "TCPTimeouts")
}

/// How long after the slot came free the waiter called "it" connects.
fn released_after(rig: &Rig, calls: &Calls, waits: impl FnOnce()) -> Duration {
    let blocker = rig.block(1);
    waits();
    rig.until("a waiter", |scope| scope.queued == 1);
    let free = Instant::now();
    rig.allow(2);
    calls.ended("it", PATIENCE);
    let after = free.elapsed();
    rig.allow(1);
    drop(blocker);
    after
}

#[test]
fn a_waiter_is_woken_long_before_its_timer_and_keeps_its_window() {
    require_lab!();
    let rig = slow_rig();
    let calls = rig.calls();
    let v4 = rig.host(HostKind::Live);
    let v6 = host(&rig.lab, HostKind::Live, Family::V6);
    let std::net::IpAddr::V4(ip) = v4.ip() else { unreachable!("an IPv4 address was drawn") };
    let mapped = std::net::SocketAddr::new(ip.to_ipv6_mapped().into(), v4.port());
    for to in [v4, v6, mapped] {
        let before = rechecks(&rig);
        let after = released_after(&rig, &calls, || calls.dial("it", to));
        println!("{to}: {after:?}");
        assert!(after < TURN / 4, "{to} connected {after:?} after the slot was free");
        assert_eq!(rechecks(&rig) - before, 1, "it asked once");
        assert_eq!(calls.info("it", "snd_cwnd"), 10);
        calls.close("it");
        // The next turn.
        sleep(TURN);
    }
    assert_eq!(rig::faults(&rig.limiter), [].into());
}

#[test]
fn without_poke_nothing_is_sent_and_timers_are_short() {
    require_lab!();
    let rig = Rig::new(1, &[("wakeups", "false")]);
    sleep(PROMISED);
    let lo = Recording::of_resets(&rig);
    let calls = rig.calls();
    released_after(&rig, &calls, || calls.dial("it", rig.host(HostKind::Live)));
    calls.close("it");
    let before = rechecks(&rig);
    released_after(&rig, &calls, || {
        calls.dial("it", rig.host(HostKind::Live));
        desk::until("its own re-checks", AT_ONCE, || (rechecks(&rig) > before + 2).then_some(()));
    });
    assert_eq!(lo.resets(), 0);
    // Set live, it is in force for the next waiter.
    rig.limiter.set("wakeups", true).unwrap();
    sleep(PROMISED);
    let lo = Recording::of_resets(&rig);
    // On a busy machine the slot may come free only after a waiter's own timer has run.
    for _ in 0..5 {
        calls.close("it");
        released_after(&rig, &calls, || calls.dial("it", rig.host(HostKind::Live)));
    }
    let woken = lo.resets();
    assert!((1..=5).contains(&woken), "{woken} of five");
}

#[test]
fn no_packet_leaves_the_host() {
    require_lab!();
    let rig = Rig::new(4, &[]);
    sleep(PROMISED);
    let lo = Recording::of_resets(&rig);
    let capture = rig.lab.capture(Side::World).unwrap();
    let live = rig.lab.draw(&Mix { live: 100, ..Mix::default() }).unwrap();
    let live_v6 = rig.lab.draw(&Mix { live: 100, family: Family::V6, ..Mix::default() }).unwrap();
    let mut all = live.destinations();
    all.extend(live_v6.destinations());
    let blockers = rig.block(4);
    let dialling = Dialer::new(&rig.lab).destinations(all.iter().copied()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    drop(blockers);
    dialling.await_all_done(PATIENCE).unwrap();
    let sent = lo.resets();
    assert!(sent > 100, "{sent} waiters were woken");
    let captured = capture.finish().unwrap();
    assert_eq!(captured.lost, 0);
    let ours = |segment: &&Segment| all.contains(&segment.from) || all.contains(&segment.to);
    let segments: Vec<_> = captured.segments.iter().filter(ours).copied().collect();
    assert!(!segments.iter().any(|segment| segment.kind == Kind::Reset));
    let attempts = attempts(&segments, &dialling.ends());
    let invariant = Invariant { half_open: 4, slot_life: Duration::from_mins(5), tolerance: Duration::ZERO };
    invariant.check(&attempts).unwrap();
    assert_eq!(rig::faults(&rig.limiter), [].into(), "the limiter let its own packets pass uncounted");
}

/// Anybody who can send a RST with the peer's address makes a waiter ask, and no more.
#[test]
fn one_woken_by_somebody_else_stays_held() {
    require_lab!();
    let rig = slow_rig();
    let calls = rig.calls();
    let blocker = rig.block(1);
    let capture = rig.lab.capture(Side::Client).unwrap();
    let to = rig.host(HostKind::Live);
    calls.dial("it", to);
    rig.until("a waiter", |scope| scope.queued == 1);
    let before = rechecks(&rig);
    let forged = FORGE.replace("PEER", &to.ip().to_string()).replace("SOURCE", &to.port().to_string());
    let forged = forged.replace("TARGET", &calls.port("it").to_string());
    let outside = rig.lab.new_cgroup("outside").unwrap();
    for _ in 0..20 {
        let mut python = rig.lab.client().command_in(&outside, "python3");
        assert!(python.args(["-c", &forged]).status().unwrap().success());
    }
    desk::until("a re-check", AT_ONCE, || (rechecks(&rig) > before).then_some(()));
    sleep(Duration::from_secs(1));
    assert_eq!((rig.scope().queued, calls.has_ended("it")), (1, false));
    let captured = capture.finish().unwrap();
    assert!(
        !captured.segments.iter().any(|segment| matches!(segment.kind, Kind::Syn(_)) && segment.to == to)
    );
    drop(blocker);
    calls.ends("it", Ok(()));
}

const FORGE: &str = r"
import socket, struct
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); own.connect(('PEER', 9)); own = own.getsockname()[0]
peer, own = socket.inet_aton('PEER'), socket.inet_aton(own)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
tcp = struct.pack('!HHIIBBHHH', SOURCE, TARGET, 0, 0, 0x50, 0x14, 0, 0, 0)
sum_ = checksum(peer + own + struct.pack('!HH', 6, len(tcp)) + tcp)
tcp = tcp[:16] + struct.pack('!H', sum_) + tcp[18:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, peer, own)
raw.sendto(ip + tcp, (socket.inet_ntoa(own), 0))
";

/// Dropped on its way, it is as if there were none; the limiter notices.
#[test]
fn a_firewall_on_lo_costs_the_wake_and_nothing_else() {
    require_lab!();
    let rig = Rig::new(4, &[]);
    let rules = "table inet t {\n chain i {\n type filter hook input priority 0\n iifname lo tcp flags rst drop\n }\n}\n";
    rig.lab.client().nft(rules).unwrap();
    sleep(PROMISED);
    let blockers = rig.block(4);
    let live = rig.lab.draw(&Mix { live: 100, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&rig.lab).destinations(live.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    drop(blockers);
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == testkit::dial::Outcome::Connected));
    let degraded = || {
        let output = rig.limiter.command().args(["status", "--json"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("wakeups_without_effect")
    };
    desk::until("the limiter to say so", AT_ONCE, || degraded().then_some(()));
}

#[test]
fn killed_it_leaves_waiters_that_get_their_turn() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let pins = std::path::PathBuf::from(format!("/sys/fs/bpf/halfopen-wakeup-{}", std::process::id()));
    let daemon = Pinned::start(&lab, lab.cgroup(), &pins);
    sleep(PROMISED);
    let blockers = lab.draw(&Mix { dead: 4, ..Mix::default() }).unwrap();
    let blocking = Dialer::new(&lab)
        .namespace(lab.world())
        .cgroup(lab.cgroup())
        .destinations(blockers.destinations())
        .spawn()
        .unwrap();
    blocking.await_all_dialled(PATIENCE).unwrap();
    let live = lab.draw(&Mix { live: 40, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    daemon.kill();
    drop(blocking);
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == testkit::dial::Outcome::Connected));
    // Those who come after its promise has ended ask as quickly as ever.
    sleep(PROMISE_ENDED);
    let live = lab.draw(&Mix { live: 40, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(live.destinations()).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.waited() < AT_ONCE));
}

/// A daemon whose limit outlives it, until this is dropped.
struct Pinned {
    child: Child,
    pins: std::path::PathBuf,
    _run: tempfile::TempDir,
}

impl Pinned {
    fn start(lab: &Lab, cgroup: &Cgroup, pins: &std::path::Path) -> Self {
        let run = tempfile::tempdir().unwrap();
        let outside = lab.new_cgroup("daemon").unwrap();
        let child = outside
            .command(env!("CARGO_BIN_EXE_halfopen"))
            .args(["run", "--set", "persist=true", "--set", "half_open=4", "--set", "drain=unlimited"])
            .arg("--cgroup")
            .arg(cgroup.path())
            .env("HALFOPEN_RUN_DIR", run.path())
            .env("HALFOPEN_PIN_DIR", pins)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let socket = run.path().join("control.sock");
        desk::until("the daemon", PATIENCE, || socket.exists().then_some(()));
        Self { child, pins: pins.to_owned(), _run: run }
    }

    fn kill(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.pins);
    }
}

#[test]
fn off_lets_all_go_at_once_whatever_their_timers() {
    require_lab!();
    let rig = slow_rig();
    let calls = rig.calls();
    let _blocker = rig.block(1);
    calls.dial("it", rig.host(HostKind::Live));
    rig.until("a waiter", |scope| scope.queued == 1);
    let stopped = Instant::now();
    rig.limiter.command().arg("off").status().unwrap();
    calls.ended("it", PATIENCE);
    assert!(stopped.elapsed() < TURN / 4, "{:?}", stopped.elapsed());
}

#[test]
fn two_namespaces_are_served_by_one_daemon() {
    require_lab!();
    let (lab, other) = (Lab::new().unwrap(), Lab::new().unwrap());
    let limiter = limit(&lab, lab.cgroup(), 1, &SLOW);
    sleep(PROMISED);
    let calls = Calls::start(other.client(), lab.cgroup());
    let blocker = rig::block(&lab, lab.cgroup(), &limiter, 1);
    calls.dial("it", host(&other, HostKind::Live, Family::V4));
    until(&limiter, "a waiter", AT_ONCE, |scope| scope.queued == 1);
    let free = Instant::now();
    allow(&limiter, 2);
    calls.ended("it", PATIENCE);
    drop(blocker);
    assert!(free.elapsed() < TURN / 4, "{:?}", free.elapsed());
}

/// RSTs on `lo` of the client's namespace.
struct Recording {
    tcpdump: Child,
    file: tempfile::NamedTempFile,
}

impl Recording {
    fn of_resets(rig: &Rig) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let filter = "(tcp[tcpflags] & tcp-rst != 0) or (ip6[6] == 6 and ip6[53] & 4 != 0)";
        let mut command: Command = rig.lab.client().command("tcpdump");
        command.args(["-i", "lo", "-n", "-U", "--immediate-mode", "-Z", "root", "-w"]).arg(file.path());
        let tcpdump = command.arg(filter).stderr(Stdio::null()).spawn().unwrap();
        // The header is written once it listens.
        desk::until("tcpdump", PATIENCE, || {
            (std::fs::metadata(file.path()).unwrap().len() >= 24).then_some(())
        });
        Self { tcpdump, file }
    }

    fn resets(mut self) -> usize {
        let pid = rustix::process::Pid::from_child(&self.tcpdump);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.tcpdump.wait().unwrap();
        let read = Command::new("tcpdump").arg("-nr").arg(self.file.path()).output().unwrap();
        String::from_utf8_lossy(&read.stdout).lines().count()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}
