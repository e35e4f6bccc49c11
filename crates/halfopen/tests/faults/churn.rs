//! Cgroups, network namespaces and interfaces come and go while attempts wait in them.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{Lab, require_lab};

/// An address of the client's own: its port 9 refuses, and nothing that is sent there leaves.
pub const OWN: &str = "203.0.113.1";
/// The longest that the dialers of a scene go on, less what else takes time.
const AT_MOST: Duration = Duration::from_mins(18);

/// `churn.py` at work. Ended when dropped.
pub struct Churn {
    child: Child,
    done: Arc<AtomicBool>,
}

impl Churn {
    pub fn start(mut command: Command, kind: &str, count: u32, path: &Path) -> Self {
        let script = testkit::script("churn.py");
        command.arg(script).args([kind, &count.to_string()]).arg(path).arg(OWN).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let done = Arc::new(AtomicBool::new(false));
        let ended = done.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                ended.fetch_or(line == "done", Ordering::Relaxed);
            }
        });
        Self { child, done }
    }

    pub fn is_done(&mut self) -> bool {
        let done = self.done.load(Ordering::Relaxed);
        assert!(done || self.child.try_wait().unwrap().is_none(), "it has ended before it was done");
        done
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_done(scene: &Scene, churns: &mut [Churn]) {
    let start = Instant::now();
    while !churns.iter_mut().all(Churn::is_done) {
        assert!(start.elapsed() < AT_MOST, "not done within {AT_MOST:?}");
        scene.live_goes_on(1);
    }
}

fn scene() -> Scene {
    let lab = Lab::new().unwrap();
    lab.client().ip(&format!("addr add {OWN}/32 dev lo")).unwrap();
    let first = limiter(&lab).persist().start().unwrap();
    Scene::begin(lab, first)
}

fn judged(mut scene: Scene, fault: &str, count: u32, at_least: i64) {
    scene.saturated();
    let host = scene.limiter.status().unwrap().host;
    // Past a few a second its user is refused what it would only cancel.
    let begun = host.admitted + host.released + host.cancelled + host.queued + host.refused_overflow;
    assert!(begun >= at_least, "hardly any attempt began: {host:?}");
    let judged = scene.judge_with_accounting();
    judged.tell(
        fault,
        format!("{count} times"),
        "nothing: the accounting is right, no reconcile walk corrected it",
    );
}

#[test]
fn cgroups_come_and_go() {
    require_lab!();
    let count = at_length(150, 10_000);
    let scene = scene();
    let parent = scene.lab.cgroup().child("churn").unwrap();
    let command = scene.lab.client().command_in(&parent, "python3");
    await_done(&scene, &mut [Churn::start(command, "cgroups", count, parent.path())]);
    judged(scene, "cgroups made and removed, each with an attempt in it", count, i64::from(count));
}

#[test]
fn network_namespaces_come_and_go() {
    require_lab!();
    let count = at_length(150, 10_000);
    let scene = scene();
    // Below another top-level cgroup than the scene's dialers: who cancels so many is refused for a while.
    let apart = scene.lab.cgroup().child("churn").unwrap();
    let command = scene.lab.client().command_in(&apart, "python3");
    await_done(&scene, &mut [Churn::start(command, "namespaces", count, Path::new("-"))]);
    judged(scene, "network namespaces made and removed, each with an attempt in it", count, i64::from(count));
}

#[test]
fn interfaces_come_and_go() {
    require_lab!();
    let count: u32 = at_length(60, 10_000);
    let scene = scene();
    let start = Instant::now();
    for batch in 0..count.div_ceil(20) {
        let names = (batch * 20..count.min(batch * 20 + 20)).map(|number| {
            format!(
                "link add ho{number} type veth peer name hp{number}\naddr add 203.0.113.2/32 dev ho{number}\n\
                 link set ho{number} up\nlink del ho{number}\n"
            )
        });
        scene.lab.client().ip(&names.collect::<String>()).unwrap();
        assert!(start.elapsed() < AT_MOST, "not done within {AT_MOST:?}");
    }
    scene.live_goes_on(1);
    judged(scene, "interfaces made and removed in the namespace of the dialers", count, 0);
}
