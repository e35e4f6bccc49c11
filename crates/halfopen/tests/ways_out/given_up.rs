//! The program, its end, or somebody else ends the attempt.

use crate::stage::each_stage;
use rustix::io::Errno;
use serde_json::json;
use testkit::desk::PATIENCE;
use testkit::rig::program::Program;
use testkit::rig::{AT_ONCE, Rig, until};
use testkit::{Dialer, Family, HostKind, Mix, WORLD_V4, require_lab};

#[test]
fn closed() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        calls.close("it");
        stage.came_back();
    });
}

/// On a socket that is not connected yet it is a disconnect.
#[test]
fn shut_down() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        // Reported as not connected, and ended all the same.
        let _ = calls.call("shutdown", "it", &json!({}));
        stage.came_back();
        calls.close("it");
    });
}

#[test]
fn killed() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        calls.kill();
        stage.came_back();
    });
}

#[test]
fn killed_inside_a_blocking_connect() {
    each_stage(|stage| {
        let calls = stage.calls();
        let dead = stage.dead();
        calls.open("it", dead);
        calls.connect_blocking("it", dead);
        stage.stands();
        calls.kill();
        stage.came_back();
    });
}

#[test]
fn disconnected_by_af_unspec_and_used_again() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        calls.call("disconnect", "it", &json!({})).unwrap();
        stage.came_back();
        stage.let_go();
        calls.connect_on("it", stage.rig.host(HostKind::Live));
        calls.ends("it", Ok(()));
    });
}

#[test]
fn destroyed_by_ss() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        let port = calls.port("it").to_string();
        let mut ss = stage.rig.lab.client().command("ss");
        let ss = ss.args(["-K", "-tn", "state", "syn-sent", "sport", "=", &port]).output().unwrap();
        if String::from_utf8_lossy(&ss.stderr).contains("Operation not supported") {
            eprintln!("skipped: this kernel is built without INET_DIAG_DESTROY");
            calls.close("it");
        } else {
            calls.ends("it", Err(Errno::CONNABORTED));
        }
        stage.came_back();
    });
}

#[test]
fn cancelled_in_an_io_uring() {
    each_stage(|stage| {
        let dead = stage.dead();
        let arguments = [dead.ip().to_string(), dead.port().to_string(), "2500".to_owned()];
        let lab = &stage.rig.lab;
        let program = Program::start(lab.client(), lab.cgroup(), "uring_connect.py", &arguments);
        stage.stands();
        let cancelled = -Errno::CANCELED.raw_os_error();
        assert_eq!(program.hear(PATIENCE), cancelled);
        stage.came_back();
    });
}

/// That alone does not end an attempt: slot and place are kept, and come back with the socket.
#[test]
fn closed_after_its_link_went_down() {
    each_stage(|stage| {
        let calls = stage.calls();
        calls.dial("it", stage.dead());
        stage.stands();
        stage.rig.lab.client().ip("link set lab0 down").unwrap();
        stage.stands();
        assert!(!calls.has_ended("it"));
        calls.close("it");
        stage.came_back();
        let routes = format!("route add 198.18.0.0/15 via {WORLD_V4} dev lab0");
        stage.rig.lab.client().ip(&format!("link set lab0 up\n{routes}\n")).unwrap();
    });
}

/// All with their process, not one after the other.
#[test]
fn a_thousand_killed_at_once() {
    require_lab!();
    let rig = Rig::new(10, &[]);
    let hosts = rig.lab.draw(&Mix { dead: 1_000, family: Family::Both, ..Mix::default() }).unwrap();
    let dialler = Dialer::new(&rig.lab).destinations(hosts.destinations());
    let dialling = dialler.spawn().unwrap();
    until(&rig.limiter, "all to be dialled", PATIENCE, |scope| (scope.half_open, scope.queued) == (10, 990));
    drop(dialling.kill());
    let scope = until(&rig.limiter, "all to come back", AT_ONCE, |scope| {
        scope.half_open + scope.aged + scope.queued == 0
    });
    assert_eq!((scope.failed, scope.cancelled), (10, 990), "{scope:?}");
}
