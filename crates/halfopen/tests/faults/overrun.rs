//! More attempts begin to wait than the ring buffer of events holds, while nobody reads it.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use rustix::process::Signal;
use std::time::Duration;
use testkit::desk::{PATIENCE, until};
use testkit::{Dialer, Lab, Mix, require_lab};

/// Records of 64 bytes and a header of 8 in 1 MiB.
const FIT: usize = (1 << 20) / 72;
const BEYOND: usize = 2_000;

#[test]
fn the_ring_buffer_runs_over() {
    require_lab!();
    let times = at_length(1, 10);
    let lab = Lab::new().unwrap();
    let first = limiter(&lab).set("queue", 100_000).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let dead = scene.lab.draw(&Mix { dead: 100, ..Mix::default() }).unwrap().destinations();
    let apart = scene.lab.cgroup().child("flood").unwrap();
    let mut lost = 0;
    for _ in 0..times {
        scene.limiter.signal(Signal::STOP).unwrap();
        // Below another top-level cgroup than the scene's dialers: who cancels so many is refused for a while.
        let flood = Dialer::new(&scene.lab)
            .cgroup(&apart)
            .destinations(dead.iter().copied().cycle().take(FIT + BEYOND))
            .patience(Duration::from_secs(10));
        let flood = flood.spawn().unwrap();
        flood.await_all_dialled(PATIENCE).unwrap();
        flood.await_all_done(PATIENCE).unwrap();
        scene.also(flood);
        scene.limiter.signal(Signal::CONT).unwrap();
        lost = until("events to be missed", PATIENCE, || {
            Some(scene.fault_count("event_lost")).filter(|now| *now > lost)
        });
        scene.live_goes_on(1);
    }
    until("the log to say so", PATIENCE, || {
        scene.limiter.stderr().contains("the ring buffer was full").then_some(())
    });
    scene.saturated();
    scene.judge_with_accounting().tell(
        "ring buffer of events overrun while the daemon is stopped",
        format!("{times} times {} attempts", FIT + BEYOND),
        format!("status and log: `EventLost` {lost}"),
    );
}
