//! A second daemon is started beside the first.

use crate::scene::{LIMIT, Scene, limiter};
use crate::table::at_length;
use testkit::{Lab, LabError, require_lab};

#[test]
fn a_second_daemon_is_refused_wherever_it_runs() {
    require_lab!();
    let times = at_length(3, 20);
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).persist().start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let run_directory = scene.limiter.run_directory().to_owned();
    for time in 0..times {
        // On the same run directory, and on the same pins alone; in both it asks for another limit.
        let mut second = limiter(&scene.lab).persist().set("half_open", 10 * LIMIT);
        if time % 2 == 0 {
            second = second.run_directory(&run_directory);
        }
        match second.start() {
            Err(LabError::NotReady { status, stderr, .. }) => {
                assert_eq!(status.code(), Some(1), "{stderr}");
                let told = if time % 2 == 0 { "already running" } else { "another halfopen daemon" };
                assert!(stderr.contains(told), "{stderr}");
            }
            other => panic!("{other:?}"),
        }
        scene.live_goes_on(1);
    }
    scene.saturated();
    scene.judge_with_accounting().tell(
        "a second daemon, on the same run directory and on the same pins",
        format!("{times} times"),
        "the second: exit code 1, `already running` with the pid, or `another halfopen daemon`",
    );
}
