//! A socket outlives the process or the cgroup that it began in.

use crate::stage::each_stage;
use serde_json::json;
use testkit::HostKind;

#[test]
fn closed_by_whom_it_was_passed_to() {
    each_stage(|stage| {
        let outside = stage.rig.lab.new_cgroup("outside").unwrap();
        let (sender, receiver) = (stage.calls(), stage.calls_in(&outside));
        sender.dial("it", stage.dead());
        stage.stands();
        receiver.call("await_handover", "it", &json!({"at": "handover"})).unwrap();
        sender.call("hand_over", "it", &json!({"to": "handover"})).unwrap();
        receiver.call("take_over", "it", &json!({})).unwrap();
        sender.kill();
        stage.stands();
        receiver.close("it");
        stage.came_back();
    });
}

#[test]
fn established_for_whom_it_was_passed_to() {
    each_stage(|stage| {
        let outside = stage.rig.lab.new_cgroup("outside").unwrap();
        let (sender, receiver) = (stage.calls(), stage.calls_in(&outside));
        receiver.call("await_handover", "it", &json!({"at": "handover"})).unwrap();
        sender.dial("it", stage.rig.host(HostKind::Slow));
        sender.call("hand_over", "it", &json!({"to": "handover"})).unwrap();
        receiver.call("take_over", "it", &json!({})).unwrap();
        sender.kill();
        stage.let_go();
        receiver.ends("it", Ok(()));
        stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
    });
}

#[test]
fn closed_after_its_cgroup_was_removed() {
    each_stage(|stage| {
        let inner = stage.rig.lab.cgroup().child("inner").unwrap();
        let calls = stage.calls_in(&inner);
        calls.dial("it", stage.dead());
        stage.stands();
        stage.rig.lab.cgroup().adopt(calls.pid()).unwrap();
        let path = inner.path().to_owned();
        drop(inner);
        assert!(!path.exists());
        stage.stands();
        calls.close("it");
        stage.came_back();
    });
}

#[test]
fn established_after_its_cgroup_was_removed() {
    each_stage(|stage| {
        let inner = stage.rig.lab.cgroup().child("inner").unwrap();
        let calls = stage.calls_in(&inner);
        calls.dial("it", stage.rig.host(HostKind::Slow));
        stage.rig.lab.cgroup().adopt(calls.pid()).unwrap();
        drop(inner);
        stage.let_go();
        calls.ends("it", Ok(()));
        stage.rig.until("the slot to come back", |scope| scope.half_open + scope.queued == 0);
    });
}
