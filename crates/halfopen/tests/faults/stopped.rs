//! The daemon is there but does nothing.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use testkit::desk::PATIENCE;
use testkit::{Lab, require_lab};

#[test]
fn stopped_for_a_while() {
    require_lab!();
    let stopped_for = at_length(Duration::from_secs(5), Duration::from_mins(1));
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let before = scene.limiter.status().unwrap().host.released;
    scene.limiter.signal(Signal::STOP).unwrap();
    let start = Instant::now();
    while start.elapsed() < stopped_for {
        scene.live_goes_on(1);
    }
    scene.limiter.signal(Signal::CONT).unwrap();
    let status = scene.limiter.await_status("an answer", PATIENCE, |_| true).unwrap();
    assert!(status.host.released > before, "{status:?}");
    scene.saturated();
    scene.judge_with_accounting().tell(
        "SIGSTOP of the daemon",
        format!("{} s", stopped_for.as_secs()),
        "nothing: status answers when it goes on",
    );
}
