//! The wall clock is set, again and again. For the daemon alone, by libfaketime: the whole host's is not a test's to set.
//! The kernel part reads the monotonic clock only, which nobody can set.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use std::path::{Path, PathBuf};
use testkit::desk::{PATIENCE, until};
use testkit::{Lab, Skip, require_lab};

fn libfaketime() -> Option<PathBuf> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    let found = Path::new(&path).exists();
    let skip = Skip::NoProgram { program: "libfaketime.so.1", package: "libfaketime" };
    Lab::required(if found { Ok(()) } else { Err(skip) }).then(|| path.into())
}

#[test]
fn the_wall_clock_is_set_forth() {
    each_reading_is_a_month_off("+0 i2592000", |earlier, later| earlier < later, "forth");
}

#[test]
fn the_wall_clock_is_set_back() {
    each_reading_is_a_month_off("+0 i-2592000", |earlier, later| earlier > later, "back");
}

/// The daemon is sandboxed and reads no file: that the clock is set must be in what it is started with.
fn each_reading_is_a_month_off(clock: &str, in_order: fn(&str, &str) -> bool, direction: &str) {
    require_lab!();
    let Some(library) = libfaketime() else { return };
    let times = at_length(3, 40);
    let lab = Lab::new().unwrap();
    let first = limiter(&lab)
        .environment("LD_PRELOAD", library)
        .environment("FAKETIME", clock)
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .persist()
        .start()
        .unwrap();
    let mut scene = Scene::begin(lab, first);
    let mut months: Vec<String> = Vec::new();
    for time in 0..times {
        scene.live_goes_on(1);
        let before = scene.limiter.status().unwrap().host.released;
        scene.limiter.await_status("releases to go on", PATIENCE, |now| now.host.released > before).unwrap();
        // What the daemon writes into its log now has the time that it was told.
        scene.limiter.signal(rustix::process::Signal::HUP).unwrap();
        let said = until("a line of the log", PATIENCE, || {
            let said = scene.limiter.stderr();
            let mut lines = said.lines().filter(|line| line.contains("reloaded "));
            lines.nth(time).map(ToOwned::to_owned)
        });
        months.push(said[..7].to_owned());
    }
    assert!(months.windows(2).all(|two| in_order(&two[0], &two[1])), "the clock was never set: {months:?}");
    scene.limiter.kill();
    scene.limiter.start_again().unwrap();
    scene.saturated();
    scene.judge_with_accounting().tell(
        &format!("wall clock set {direction} a month each time it is read (by the daemon)"),
        format!("{times} times and more"),
        "nothing: limits and waits run by the monotonic clock",
    );
}
