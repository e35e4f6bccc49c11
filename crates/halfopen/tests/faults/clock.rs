//! The wall clock is set, back and forth. For the daemon alone, by libfaketime: the whole host's is not a test's to set.
//! The kernel part reads the monotonic clock only, which nobody can set.

use crate::desk::{PATIENCE, until};
use crate::scene::{Scene, limiter};
use crate::table::at_length;
use halfopen_lab::{Lab, Skip, require_lab};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn libfaketime() -> Option<PathBuf> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    let found = Path::new(&path).exists();
    let skip = Skip::NoProgram { program: "libfaketime.so.1", package: "libfaketime" };
    Lab::required(if found { Ok(()) } else { Err(skip) }).then(|| path.into())
}

#[test]
fn the_wall_clock_is_set_back_and_forth() {
    require_lab!();
    let Some(library) = libfaketime() else { return };
    let times = at_length(4, 40);
    let directory = tempfile::tempdir().unwrap();
    // Beside the configuration: the daemon may read no other directory, and as another user.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (offset, config) = (directory.path().join("offset"), directory.path().join("halfopen.toml"));
    fs::write(&offset, "+0").unwrap();
    fs::write(&config, "").unwrap();
    let lab = Lab::new().unwrap();
    let first = limiter(&lab)
        .environment("LD_PRELOAD", library)
        .environment("FAKETIME_TIMESTAMP_FILE", offset.as_os_str())
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .config(&config)
        .persist()
        .start()
        .unwrap();
    let mut scene = Scene::begin(lab, first);
    let mut years = Vec::new();
    for time in 0..times {
        let step = ["+3650d", "-3650d", "+1h", "-1h"][time % 4];
        fs::write(&offset, step).unwrap();
        scene.live_goes_on(1);
        let before = scene.limiter.status().unwrap().host.released;
        scene.limiter.await_status("releases to go on", PATIENCE, |now| now.host.released > before).unwrap();
        // What the daemon writes into its log now has the time that it was told.
        scene.limiter.signal(rustix::process::Signal::HUP).unwrap();
        let said = until("a line of the log", PATIENCE, || {
            let said = scene.limiter.stderr();
            let mut lines = said.lines().filter(|line| line.contains("read again"));
            lines.nth(time).map(ToOwned::to_owned)
        });
        years.push(said[..4].parse::<i32>().unwrap());
    }
    assert!(years[0] > years[1] + 15, "the clock was never set: {years:?}");
    scene.limiter.kill();
    scene.limiter.start_again().unwrap();
    scene.saturated();
    scene.judge_with_books().tell(
        "wall clock set 10 years and an hour back and forth (for the daemon)",
        format!("{times} times"),
        "nothing: limits and waits run by the monotonic clock",
    );
}
