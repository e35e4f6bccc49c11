//! Another version takes the place of the one that runs.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use testkit::desk::{PATIENCE, has, program};
use testkit::{Lab, require_lab};

const HOOKS: [&str; 6] = ["egress", "setsockopt", "getsockopt", "sock_ops", "connect4", "connect6"];

/// The numbers of each hook's link and of the program on it.
fn attached(pins: &Path) -> BTreeMap<&'static str, (u64, u64)> {
    let number = |hook: &'static str| {
        let mut bpftool = Command::new("bpftool");
        let output = bpftool.args(["-j", "link", "show", "pinned"]).arg(pins.join(hook)).output().unwrap();
        assert!(output.status.success(), "{hook}: {output:?}");
        let link: Value = serde_json::from_slice(&output.stdout).unwrap();
        (hook, (link["id"].as_u64().unwrap(), link["prog_id"].as_u64().unwrap()))
    };
    HOOKS.into_iter().map(number).collect()
}

/// The program of this build stands in for the next version and for the one before: both have its layout. Other layouts
/// are refused, see tests/persist_ends.rs.
#[test]
fn upgraded_and_downgraded_again_and_again() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let times = at_length(4, 20);
    let directory = tempfile::tempdir().unwrap();
    let next = directory.path().join("halfopen");
    assert!(Command::new("cp").arg(program()).arg(&next).status().unwrap().success());
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).persist().start().unwrap();
    let mut scene = Scene::begin(lab, first);
    for time in 0..times {
        let before = attached(scene.lab.pins());
        let counts = scene.limiter.status().unwrap().host;
        // In turn: asked to hand over, as the package does, and killed, as one that crashes does.
        if time / 2 % 2 == 0 {
            let (status, said) = scene.limiter.hand_over().unwrap();
            assert_eq!(status.code(), Some(0), "{said}");
        } else {
            scene.limiter.kill();
        }
        assert_eq!(
            attached(scene.lab.pins()),
            before,
            "between two versions the programs of the first limit"
        );
        scene.limiter.replace_program(if time % 2 == 0 { next.clone() } else { program() });
        scene.limiter.start_again().unwrap();
        for (hook, (link, program)) in attached(scene.lab.pins()) {
            assert_eq!(
                link, before[hook].0,
                "{hook}: the link is the same, so there was always a program on it"
            );
            assert_ne!(program, before[hook].1, "{hook}: the program is the new version's");
        }
        let status = scene.limiter.status().unwrap();
        assert!(status.host.released >= counts.released && status.host.admitted >= counts.admitted);
        scene.live_goes_on(1);
    }
    scene.limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
    scene.judge_with_accounting().tell(
        "upgrade and downgrade, by hand-over and by kill -9",
        format!("{times} times"),
        "exit code 0, log: `handed over`, then `took over the limit that halfopen ... had pinned`",
    );
}
