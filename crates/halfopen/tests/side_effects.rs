//! What a wait does to a connection besides the wait: nothing that docs/use/what-it-cannot-see.md does not name.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::rig;

use rustix::io::Errno;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;
use testkit::desk::{self, PATIENCE};
use testkit::rig::calls::{Calls, IPPROTO_MPTCP, address};
use testkit::rig::program::Program;
use testkit::rig::{AT_ONCE, Rig, faults, host, until};
use testkit::{Cgroup, Family, HostKind, WORLD_V4, require_lab};

const TCP_IS_MPTCP: i32 = 43;
const IPPROTO_TCP: i32 = 6;
/// tcpi_options of TCP_INFO.
const ECN: u64 = 8;
/// TCP falls back at the third re-check.
const MPTCP_RECHECKS: u64 = 2;
/// Slow start is not over before the first loss.
const NO_THRESHOLD: u64 = 0x7fff_ffff;
const FAST_OPEN_BYTES: u64 = 400;

/// A server in the world that counts what it gets.
struct Server {
    program: Program,
    at: SocketAddr,
    _cgroup: Cgroup,
}

impl Server {
    fn start(rig: &Rig, protocol: i32) -> Self {
        let (port, cgroup) = (8_600, rig.lab.new_cgroup("server").unwrap());
        let arguments = [port.to_string(), protocol.to_string()];
        let program = Program::start(rig.lab.world(), &cgroup, "counting_server.py", &arguments);
        assert_eq!(program.hear(PATIENCE), json!({"listening": port}));
        Self { program, at: (WORLD_V4, port).into(), _cgroup: cgroup }
    }

    /// What it says of the connection that is closed next.
    fn closed(&self) -> Value {
        self.program.hear(AT_ONCE)
    }
}

/// Each re-check counts here, and in a lab nothing else of the client's does.
fn rechecks(rig: &Rig) -> u64 {
    rig.counter("TcpExt", "TCPTimeouts")
}

/// Connects over MPTCP and says whether the connection is; it has been closed.
fn is_mptcp(calls: &Calls, server: &Server, finish: impl FnOnce()) -> bool {
    calls.open_mptcp("it");
    calls.connect_on("it", server.at);
    finish();
    calls.ends("it", Ok(()));
    let ours = calls.get("it", TCP_IS_MPTCP) == 1;
    calls.close("it");
    assert_eq!(server.closed()["mptcp"], ours, "client and server differ");
    ours
}

/// Never switched off for the namespace, whenever the turn comes.
#[test]
fn mptcp_stays_if_its_turn_comes_soon_and_is_never_switched_off() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    let server = Server::start(&rig, IPPROTO_MPTCP);
    let calls = rig.calls();
    assert!(is_mptcp(&calls, &server, || ()), "there is no MPTCP here");
    // Released after at least so many re-checks in vain.
    for in_vain in [0, 1, 2, 3, 5] {
        let blocker = rig.block(1);
        let before = rechecks(&rig);
        let mptcp = is_mptcp(&calls, &server, || {
            rig.until("a waiter", |scope| scope.queued == 1);
            desk::until("its re-checks", PATIENCE, || (rechecks(&rig) >= before + in_vain).then_some(()));
            rig.allow(2);
        });
        let at = rechecks(&rig) - before;
        println!("{in_vain} re-checks in vain, released at number {at}: MPTCP {mptcp}");
        assert!(at > in_vain && at != MPTCP_RECHECKS + 1, "released at re-check {at}");
        assert_eq!(mptcp, at <= MPTCP_RECHECKS, "released at re-check {at}");
        assert!(in_vain > 0 || mptcp, "its turn had come before the first re-check");
        assert!(is_mptcp(&calls, &server, || ()), "switched off after re-check {at}");
        rig.allow(1);
        drop(blocker);
    }
    assert_eq!(rig.counter("MPTcpExt", "Blackhole"), 0);
    assert_eq!(rig::faults(&rig.limiter), [].into());
}

#[test]
fn a_held_mptcp_attempt_gives_its_place_back() {
    require_lab!();
    let rig = Rig::new(1, &[]);
    let dead = rig.host(HostKind::Dead);
    for held in [false, true] {
        let _blocker = held.then(|| rig.block(1));
        let calls = rig.calls();
        calls.open_mptcp("it");
        calls.connect_on("it", dead);
        rig.until("the attempt", |scope| (scope.half_open, scope.queued) == (1, i64::from(held)));
        calls.close("it");
        rig.until("its end", |scope| (scope.half_open, scope.queued) == (i64::from(held), 0));
    }
    assert_eq!(rig::faults(&rig.limiter), [].into());
}

#[test]
fn fast_open_data_arrives_once() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    // The client sends data without a cookie, the server takes it.
    rig.lab.client().sysctl("net.ipv4.tcp_fastopen", "5").unwrap();
    rig.lab.world().sysctl("net.ipv4.tcp_fastopen", "514").unwrap();
    let server = Server::start(&rig, IPPROTO_TCP);
    let calls = rig.calls();
    for wait in [None, Some(0), Some(300), Some(2_500)] {
        let blocker = wait.map(|_| rig.block(1));
        calls.open("it", server.at);
        let mut arguments = address(server.at);
        arguments["count"] = FAST_OPEN_BYTES.into();
        let taken = match calls.call("send_fast_open", "it", &arguments) {
            Ok(taken) => taken.as_u64().unwrap(),
            Err(errno) => {
                assert_eq!(errno, Errno::INPROGRESS);
                0
            }
        };
        if let Some(ms) = wait {
            rig.until("a waiter", |scope| scope.queued == 1);
            sleep(Duration::from_millis(ms));
            drop(blocker);
        }
        rig.until("the connection", |scope| scope.half_open + scope.queued == 0);
        if taken < FAST_OPEN_BYTES {
            calls.call("send", "it", &json!({"count": FAST_OPEN_BYTES - taken})).unwrap();
        }
        println!("held for {wait:?} ms, window {}", calls.info("it", "snd_cwnd"));
        calls.close("it");
        assert_eq!(server.closed()["bytes"], FAST_OPEN_BYTES, "held for {wait:?} ms");
    }
    assert!(rig.counter("TcpExt", "TCPFastOpenActive") > 0, "no data went with a SYN");
    // The kernel takes data that was to go with the SYN for sent, and sets no initial window after that.
    let mut faults = rig::faults(&rig.limiter);
    faults.remove("initial_window");
    assert_eq!(faults, [].into());
}

/// TCP takes each re-check for a lost SYN, and would begin with a window of 1.
fn window_after_many_rechecks(timestamps: &str) {
    require_lab!();
    let rig = Rig::new(3, &[("max_wait", "60s")]);
    rig.lab.client().sysctl("net.ipv4.tcp_timestamps", timestamps).unwrap();
    let blockers = rig.block(3);
    let calls = rig.calls();
    let drawn = rig.host(HostKind::Live);
    let IpAddr::V4(ip) = drawn.ip() else { unreachable!("an IPv4 address was drawn") };
    let mapped = SocketAddr::new(ip.to_ipv6_mapped().into(), drawn.port());
    let v6 = host(&rig.lab, HostKind::Live, Family::V6);
    let dials = [("IPv4", rig.host(HostKind::Live)), ("IPv6", v6), ("mapped", mapped)];
    let before = rechecks(&rig);
    for (name, to) in dials {
        calls.dial(name, to);
    }
    rig.until("three waiters", |scope| scope.queued == 3);
    desk::until("some re-checks", PATIENCE, || (rechecks(&rig) >= before + 12).then_some(()));
    drop(blockers);
    for (name, _) in dials {
        calls.ends(name, Ok(()));
        let window = (calls.info(name, "snd_cwnd"), calls.info(name, "snd_ssthresh"));
        assert_eq!(window, (10, NO_THRESHOLD), "{name}");
    }
    assert_eq!(rig::faults(&rig.limiter), [].into());
}

#[test]
fn the_window_is_the_initial_one_after_many_rechecks() {
    window_after_many_rechecks("1");
}

#[test]
fn the_window_is_the_initial_one_without_timestamps_too() {
    window_after_many_rechecks("0");
}

#[test]
fn ecn_is_lost_by_a_wait_unless_the_fallback_is_off() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    for namespace in [rig.lab.client(), rig.lab.world()] {
        namespace.sysctl("net.ipv4.tcp_ecn", "1").unwrap();
    }
    let calls = rig.calls();
    let offered = |held: bool| {
        let blocker = held.then(|| rig.block(1));
        let before = rechecks(&rig);
        calls.dial("it", rig.host(HostKind::Live));
        if held {
            rig.until("a waiter", |scope| scope.queued == 1);
            desk::until("some re-checks", PATIENCE, || (rechecks(&rig) >= before + 3).then_some(()));
            drop(blocker);
        }
        calls.ends("it", Ok(()));
        let options = calls.info("it", "options");
        calls.close("it");
        options & ECN != 0
    };
    assert_eq!((offered(false), offered(true)), (true, false));
    rig.lab.client().sysctl("net.ipv4.tcp_ecn_fallback", "0").unwrap();
    assert!(offered(true), "tcp_ecn_fallback=0 keeps it");
}

/// What the documentation says a wait adds to the namespace's counters, and the first sample of the round trip.
#[test]
fn each_recheck_counts_as_a_repeated_syn() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    let blocker = rig.block(1);
    let counters =
        || ["TCPTimeouts", "TCPSynRetrans", "TcpTimeoutRehash"].map(|name| rig.counter("TcpExt", name));
    let before = counters();
    let calls = rig.calls();
    calls.dial("it", rig.host(HostKind::Live));
    until(&rig.limiter, "a waiter", AT_ONCE, |scope| scope.queued == 1);
    desk::until("some re-checks", PATIENCE, || (rechecks(&rig) >= before[0] + 5).then_some(()));
    drop(blocker);
    calls.ends("it", Ok(()));
    let after = counters();
    for (name, (before, after)) in
        ["TCPTimeouts", "TCPSynRetrans", "TcpTimeoutRehash"].iter().zip(before.into_iter().zip(after))
    {
        println!("{name}: {before} to {after}");
    }
    assert!(after.iter().zip(before).all(|(after, before)| *after > before), "{before:?} to {after:?}");
    assert!(calls.info("it", "rtt") < 50_000, "{} us", calls.info("it", "rtt"));
}

/// Addressed to an exempt host and translated, it begins where its SYN leaves; its first timer has no callback, and it is
/// released there too.
#[test]
fn one_that_begins_and_is_released_where_its_syn_leaves_keeps_its_options() {
    require_lab!();
    let rig = Rig::new(1, &[("max_wait", "60s")]);
    let (exempt, dead) = (rig.host(HostKind::Live), rig.host(HostKind::Dead));
    rig.limiter.set("exempt", json!([format!("{}/32", exempt.ip())])).unwrap();
    let (chain, rule) = ("type nat hook output priority -100;", format!("dnat to {}", dead.ip()));
    let table = format!("table ip here {{\n chain out {{ {chain} ip daddr {} {rule}; }}\n}}", exempt.ip());
    rig.lab.client().nft(&table).unwrap();
    let _blocker = rig.block(1);
    let calls = rig.calls();
    calls.open("it", exempt);
    let own = calls.budget("it");
    calls.connect_on("it", exempt);
    rig.until("a waiter", |scope| scope.queued == 1);
    rig.allow(2);
    rig.until("its release", |scope| (scope.half_open, scope.queued) == (2, 0));
    assert!(faults(&rig.limiter).contains_key("decided_at_egress"), "it asked elsewhere: nothing is shown");
    desk::until("its timers", PATIENCE, || (calls.info("it", "retransmits") >= 3).then_some(()));
    assert_eq!(calls.budget("it"), own);
}
