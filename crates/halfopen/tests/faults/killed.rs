//! The daemon ends as daemons do: killed at any moment, also while it takes over from one that was.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::desk::PATIENCE;
use testkit::{Lab, require_lab};

#[test]
fn killed_again_and_again() {
    require_lab!();
    let times = at_length(6, 100);
    let lab = Lab::new().unwrap();
    let mut random = StdRng::seed_from_u64(lab.seed());
    let first = limiter(&lab).persist().start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let mut longest_start = Duration::ZERO;
    for time in 0..times {
        sleep(Duration::from_millis(random.random_range(0..500)));
        scene.limiter.kill();
        scene.live_goes_on(1);
        if time % 2 == 1 {
            scene.limiter.begin_again().unwrap();
            sleep(longest_start.mul_f64(random.random_range(0.0..1.0)));
            scene.limiter.kill();
            scene.live_goes_on(1);
        }
        let start = Instant::now();
        scene.limiter.start_again().unwrap();
        longest_start = longest_start.max(start.elapsed());
        let said = scene.limiter.stderr();
        assert!(said.contains("took over the limit that halfopen"), "{said}");
    }
    scene.saturated();
    let released = scene.limiter.status().unwrap().host.released;
    assert!(released > i64::from(times), "the counts went on: {released}");
    scene.limiter.await_status("more to be released", PATIENCE, |now| now.host.released > released).unwrap();
    scene.judge_with_accounting().tell(
        "kill -9 of the daemon, every second time once more while it takes over",
        format!("{times} times"),
        "log: `took over the limit that halfopen ... had pinned`",
    );
}
