//! The memory that the daemon may have runs out. What the kernel part keeps of each socket counts in the cgroup of
//! the daemon that made the map; the kernel never refuses it, but what the daemon asks for next ends the daemon.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::desk::mounts::install;
use testkit::desk::{PATIENCE, program};
use testkit::{Dialer, Lab, Mix, Skip, require_lab};

const SOCKETS: usize = 15_000;
/// What the daemon may use beyond what it has at its start: less than so many sockets need.
const MORE: u64 = 2 << 20;

/// A cgroup whose memory is limited, in the version 1 hierarchy; without processes it is removed when dropped.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new(lab: &Lab) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup/memory");
        let found = root.join("memory.limit_in_bytes").exists();
        if !Lab::required(if found { Ok(()) } else { Err(Skip::NoMemoryController) }) {
            return None;
        }
        let path = root.join(lab.cgroup().path().file_name().unwrap());
        fs::create_dir(&path).unwrap();
        Some(Self(path))
    }

    fn read(&self, name: &str) -> u64 {
        fs::read_to_string(self.0.join(name)).unwrap().trim().parse().unwrap()
    }

    fn limit(&self, bytes: &str) {
        fs::write(self.0.join("memory.limit_in_bytes"), bytes).unwrap();
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn the_memory_limit_is_hit() {
    require_lab!();
    let times = at_length(1, 5);
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::new().unwrap();
    let Some(group) = MemoryGroup::new(&lab) else { return };
    let wrapper = directory.path().join("halfopen");
    let text = format!(
        "#!/bin/sh\necho $$ >{}/cgroup.procs\nexec {} \"$@\"\n",
        group.0.display(),
        program().display()
    );
    install(text.as_bytes(), &wrapper);
    let first = limiter(&lab).set("queue", 100_000).persist().program(wrapper).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let dead = scene.lab.draw(&Mix { dead: 100, ..Mix::default() }).unwrap().destinations();
    let apart = scene.lab.cgroup().child("flood").unwrap();
    for _ in 0..times {
        group.limit(&(group.read("memory.usage_in_bytes") + MORE).to_string());
        // Below another top-level cgroup than the scene's dialers: who cancels so many is refused for a while.
        let flood = Dialer::new(&scene.lab)
            .cgroup(&apart)
            .destinations(dead.iter().copied().cycle().take(SOCKETS))
            .patience(Duration::from_secs(5));
        let flood = flood.spawn().unwrap();
        flood.await_all_dialled(PATIENCE).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Ok(status) = scene.limiter.await_end(Duration::from_millis(100)) {
                break status;
            }
            // Whatever it is asked, it needs memory for.
            let _ = scene.limiter.command().arg("status").output().unwrap();
            assert!(start.elapsed() < PATIENCE, "{} bytes", group.read("memory.usage_in_bytes"));
        };
        assert_eq!(status.signal(), Some(9), "the kernel ends what is over its memory");
        flood.await_all_done(PATIENCE).unwrap();
        scene.also(flood);
        scene.live_goes_on(1);
        group.limit("-1");
        scene.limiter.start_again().unwrap();
    }
    scene.saturated();
    scene.judge_with_accounting().tell(
        "memory limit of the daemon's cgroup hit by the sockets that are held",
        format!("{times} times {SOCKETS} attempts"),
        "the kernel kills the daemon (its log says so); what is pinned goes on limiting; log: `took over ...`",
    );
}
