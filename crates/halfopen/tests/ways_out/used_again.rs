//! A socket that has been in `SYN_SENT` before, or gets there without an attempt.

use crate::stage::each_stage;
use rustix::io::Errno;
use serde_json::json;
use testkit::rig::Rig;
use testkit::rig::calls::TCP_FASTOPEN_CONNECT;
use testkit::{HostKind, require_lab};

/// No route leads there from a lab's client.
const NO_ROUTE: &str = "203.0.113.1:80";

#[test]
fn refused_again_and_again_on_one_socket() {
    each_stage(|stage| {
        let calls = stage.calls();
        let refusing = stage.rig.host(HostKind::Refusing);
        calls.open("it", refusing);
        for round in 1..=3 {
            if stage.held && round > 1 {
                stage.blocker.set(Some(stage.rig.block(1)));
            }
            calls.connect_blocking("it", refusing);
            if stage.held {
                stage.stands();
            }
            stage.let_go();
            calls.ends("it", Err(Errno::CONNREFUSED));
            let scope = stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
            let released = scope.released - stage.before.released;
            assert_eq!(released, if stage.held { round } else { 0 }, "{scope:?}");
        }
    });
}

/// These connect() fail before TCP asks us, and with `EADDRNOTAVAIL` leave `SYN_SENT` all the same: nothing may be given
/// back that was not taken.
#[test]
fn second_connect_that_fails_early() {
    require_lab!();
    let rig = Rig::new(2, &[]);
    let blocker = rig.block(1);
    let calls = rig.calls();
    let (refusing, live) = (rig.host(HostKind::Refusing), rig.host(HostKind::Live));
    calls.open("other", live);
    calls.call("bind", "other", &json!({"host": "0.0.0.0", "port": 33_333})).unwrap();
    calls.connect_on("other", live);
    calls.ends("other", Ok(()));

    calls.open("it", refusing);
    calls.connect_blocking("it", refusing);
    calls.ends("it", Err(Errno::CONNREFUSED));
    let before = rig.until("the slot to come back", |scope| scope.half_open == 1);
    rig.lab.client().sysctl("net.ipv4.ip_local_port_range", "33333 33333").unwrap();
    calls.connect_blocking("it", live);
    calls.ends("it", Err(Errno::ADDRNOTAVAIL));
    calls.connect_blocking("it", NO_ROUTE.parse().unwrap());
    calls.ends("it", Err(Errno::NETUNREACH));
    rig.lab.client().sysctl("net.ipv4.ip_local_port_range", "10000 65535").unwrap();
    assert_eq!(rig.scope(), before);

    // Also where the first attempt had been held.
    let second = rig.block(1);
    calls.connect_blocking("it", live);
    rig.until("a waiter", |scope| scope.queued == 1);
    drop(second);
    calls.ends("it", Ok(()));
    drop(blocker);
    rig.until("an empty ledger", |scope| scope.half_open + scope.aged + scope.queued == 0);
    assert_eq!(testkit::rig::faults(&rig.limiter), [].into());
}

/// A deferred fast open is in `SYN_SENT` without an attempt: it begins with the first write.
#[test]
fn fast_open_deferred_and_closed() {
    each_stage(|stage| {
        // Client, without a cookie.
        stage.rig.lab.client().sysctl("net.ipv4.tcp_fastopen", "5").unwrap();
        let calls = stage.calls();
        let (dead, refusing) = (stage.dead(), stage.rig.host(HostKind::Refusing));
        let deferred = |name: &str| {
            calls.set(name, TCP_FASTOPEN_CONNECT, 1);
            assert_eq!(calls.connect(name, dead), Ok(()), "not deferred");
        };
        calls.open("fresh", dead);
        deferred("fresh");
        calls.close("fresh");
        assert_eq!(stage.rig.scope(), stage.before);

        calls.open("written", dead);
        deferred("written");
        // How much of it was taken is not of interest here.
        let _ = calls.call("send", "written", &json!({"count": 100}));
        stage.stands();
        calls.close("written");
        stage.came_back();

        stage.let_go();
        calls.open("reused", dead);
        calls.connect_blocking("reused", refusing);
        calls.ends("reused", Err(Errno::CONNREFUSED));
        let before = stage.rig.until("the slot to come back", |scope| scope.half_open == 0);
        deferred("reused");
        calls.close("reused");
        assert_eq!(stage.rig.scope(), before);
    });
}
