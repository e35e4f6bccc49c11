//! What TCP itself makes of an attempt: an answer, or none in time.

use crate::stage::each_stage;
use rustix::io::Errno;
use serde_json::json;
use std::net::SocketAddr;
use testkit::rig::calls::{TCP_SYNCNT, TCP_USER_TIMEOUT};
use testkit::rig::host;
use testkit::{CLIENT_V4, Family, HostKind};

#[test]
fn established() {
    each_stage(|stage| {
        let calls = stage.calls();
        // It loses the first SYN and answers the second.
        calls.dial("it", stage.rig.host(HostKind::Slow));
        stage.stands();
        stage.let_go();
        calls.ends("it", Ok(()));
        let scope = stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
        assert_eq!(scope.established - stage.before.established, 1, "{scope:?}");
        assert_eq!(scope.released - stage.before.released, i64::from(stage.held), "{scope:?}");
    });
}

fn answered_by(kind: HostKind, errno: Errno) {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.rig.host(kind));
        if stage.held {
            stage.stands();
        }
        stage.let_go();
        calls.ends("it", Err(errno));
        let scope = stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
        assert_eq!(scope.released - stage.before.released, i64::from(stage.held), "{scope:?}");
    });
}

#[test]
fn refused() {
    answered_by(HostKind::Refusing, Errno::CONNREFUSED);
}

/// The kernel does not act on an ICMP error that comes while the program is still inside connect(), as over a wire
/// without delay: then the second SYN brings it.
#[test]
fn unreachable() {
    answered_by(HostKind::Unreachable, Errno::HOSTUNREACH);
}

#[test]
fn timed_out() {
    each_stage(|stage| {
        let calls = stage.calls();
        let dead = stage.dead();
        calls.open("it", dead);
        calls.set("it", TCP_SYNCNT, 1);
        calls.connect_on("it", dead);
        stage.stands();
        calls.ends("it", Err(Errno::TIMEDOUT));
        stage.came_back();
        let gave_up = stage.rig.scope().gave_up_while_queued - stage.before.gave_up_while_queued;
        assert_eq!(gave_up, i64::from(stage.held));
    });
}

#[test]
fn timed_out_by_its_own_user_timeout() {
    each_stage(|stage| {
        let calls = stage.calls();
        let dead = stage.dead();
        calls.open("it", dead);
        calls.set("it", TCP_USER_TIMEOUT, 1_500);
        calls.connect_on("it", dead);
        stage.stands();
        calls.ends("it", Err(Errno::TIMEDOUT));
        stage.came_back();
    });
}

#[test]
fn an_attempt_over_ipv6_closed_or_refused() {
    each_stage(|stage| {
        let calls = stage.calls();
        let lab = &stage.rig.lab;
        calls.dial("it", host(lab, HostKind::Dead, Family::V6));
        stage.stands();
        calls.close("it");
        stage.came_back();
        stage.let_go();
        calls.dial("refused", host(lab, HostKind::Refusing, Family::V6));
        calls.ends("refused", Err(Errno::CONNREFUSED));
    });
}

/// Its own SYN answers it: out of `SYN_SENT` by `SYN_RECV`.
#[test]
fn connected_to_itself() {
    each_stage(|stage| {
        let calls = stage.calls();
        let itself = SocketAddr::from((CLIENT_V4, 40_000));
        calls.open("it", itself);
        calls.call("bind", "it", &json!({"host": CLIENT_V4.to_string(), "port": itself.port()})).unwrap();
        calls.connect_blocking("it", itself);
        if stage.held {
            stage.stands();
        }
        stage.let_go();
        calls.ends("it", Ok(()));
        let scope = stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
        assert_eq!(scope.established - stage.before.established, 1, "{scope:?}");
    });
}
