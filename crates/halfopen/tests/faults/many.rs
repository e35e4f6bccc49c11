//! As many sockets are held as this host has room for, 100,000 at most.

use crate::scene::{LIMIT, Scene, limiter};
use crate::table::at_length;
use std::fs;
use std::time::{Duration, Instant};
use testkit::desk::PATIENCE;
use testkit::{Dialer, Dialling, Lab, Mix, raise_open_files, require_lab};

const DRAIN_PER_S: u32 = 8;
/// What a dialer has open besides its sockets.
const BESIDES: usize = 100;

/// Bytes of kernel memory in slabs.
fn slab() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("Slab:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn very_many_are_held() {
    require_lab!();
    let wanted: u32 = at_length(5_000, 100_000);
    let sockets = wanted as usize;
    let each = (raise_open_files(1 << 20) as usize - BESIDES).min(sockets);
    let lab = Lab::new().unwrap();
    let first = limiter(&lab)
        .set("queue", 1_000_000)
        .set("records", 131_072)
        .set("drain", format!("{DRAIN_PER_S}/s"))
        .start()
        .unwrap();
    let mut scene = Scene::begin(lab, first);
    let dead = scene.lab.draw(&Mix { dead: 500, ..Mix::default() }).unwrap().destinations();
    let apart = scene.lab.cgroup().child("many").unwrap();
    let before = slab();
    let many: Vec<Dialling> = (0..sockets.div_ceil(each))
        .map(|dialer| {
            let count = each.min(sockets - dialer * each);
            let dialer =
                Dialer::new(&scene.lab).cgroup(&apart).destinations(dead.iter().copied().cycle().take(count));
            dialer.spawn().unwrap()
        })
        .collect();
    for dialling in &many {
        dialling.await_all_dialled(3 * PATIENCE).unwrap();
    }
    let held = scene.limiter.status().unwrap().host.queued;
    assert!(held > i64::from(wanted) * 9 / 10, "only {held} are held");
    let bytes = slab().saturating_sub(before) / u64::from(wanted);

    let (start, released) = (Instant::now(), scene.limiter.status().unwrap().host.released);
    let mut slowest = Duration::ZERO;
    while start.elapsed() < at_length(Duration::from_secs(5), Duration::from_mins(1)) {
        let asked = Instant::now();
        let host = scene.limiter.status().unwrap().host;
        slowest = slowest.max(asked.elapsed());
        assert!(host.half_open <= i64::from(LIMIT), "{host:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let released = (scene.limiter.status().unwrap().host.released - released) as f64;
    let drained = released / start.elapsed().as_secs_f64();
    // Turns that fell due while nobody asked are made up for, a little.
    assert!((0.5..1.2).contains(&(drained / f64::from(DRAIN_PER_S))), "{drained} a second are let out");
    scene.also_all(many);
    let judged = scene.judge_with_accounting();
    judged.tell(
        "very many held sockets",
        format!("{held} at once, {bytes} bytes of kernel memory each"),
        format!("status answers within {:.0} ms; {drained:.1}/s are let out", slowest.as_secs_f64() * 1e3),
    );
}
