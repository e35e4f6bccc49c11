//! What a lab leaves behind: nothing.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Family, Hosts, Lab, Mix, Side, require_lab};

/// The paths that exist as long as a lab does.
fn traces(lab: &Lab) -> Vec<PathBuf> {
    vec![lab.client().path(), lab.world().path(), lab.cgroup().path().to_owned()]
}

fn assert_gone(traces: &[PathBuf]) {
    for path in traces {
        assert!(!path.exists(), "{} is left", path.display());
    }
}

fn await_end_of(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < deadline, "process {pid} is left");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_dropped_lab_leaves_nothing_not_even_its_processes() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let traces = traces(&lab);
    assert!(traces.iter().all(|path| path.exists()), "{traces:?}");
    let mut sleeper = lab.client().command_in(lab.cgroup(), "sleep").arg("1000").spawn().unwrap();
    let mut foreign = lab.world().command("sleep").arg("1000").spawn().unwrap();
    let nested = lab.cgroup().child("nested").unwrap();
    let capture = lab.capture(Side::World).unwrap();
    drop(capture);
    std::mem::forget(nested);
    drop(lab);
    assert_gone(&traces);
    assert!(!sleeper.wait().unwrap().success());
    assert!(!foreign.wait().unwrap().success());
}

#[test]
fn a_panic_leaves_nothing() {
    require_lab!();
    let mut left = Vec::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::new().unwrap();
        left = traces(&lab);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(left.len(), 3);
    assert_gone(&left);
}

/// The part of a process that is killed while it holds a lab; see the next test.
#[test]
#[expect(clippy::zombie_processes, reason = "it is the next lab that ends the sleeper")]
#[ignore = "run by the test below, in a process of its own"]
fn hold_a_lab_until_killed() {
    if std::env::var_os("LAB_HOLD").is_none() {
        return;
    }
    let lab = Lab::new().unwrap();
    let sleeper = lab.client().command_in(lab.cgroup(), "sleep").arg("1000").spawn().unwrap();
    let traces: Vec<_> = traces(&lab).iter().map(|path| path.display().to_string()).collect();
    println!("\nholding {} {}", sleeper.id(), traces.join(" "));
    std::thread::sleep(Duration::from_mins(1));
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_next_lab_sweeps_what_a_killed_process_left_and_only_that() {
    require_lab!();
    let neighbour = Lab::new().unwrap();
    let mut holder = Killed(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hold_a_lab_until_killed", "--ignored", "--nocapture"])
            .env("LAB_HOLD", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(holder.0.stdout.take().unwrap()).lines();
    let line =
        lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("holding ")?.to_owned())).unwrap();
    let mut words = line.split(' ');
    let sleeper: u32 = words.next().unwrap().parse().unwrap();
    let left: Vec<PathBuf> = words.map(PathBuf::from).collect();
    drop(holder);
    assert!(left.iter().all(|path| path.exists()), "SIGKILL alone removes nothing");
    drop(Lab::new().unwrap());
    assert_gone(&left);
    await_end_of(sleeper);
    assert!(traces(&neighbour).iter().all(|path| path.exists()), "the lab of a living process was swept");
}

#[test]
fn a_seed_repeats_the_draw_of_another_lab() {
    require_lab!();
    let draw = || -> Hosts {
        let lab = Lab::builder().seed(11).build().unwrap();
        lab.draw(&Mix { live: 5, dead: 5, family: Family::Both, ..Mix::default() }).unwrap()
    };
    assert_eq!(draw(), draw());
}

#[test]
fn nothing_leads_out_of_a_lab() {
    require_lab!();
    let lab = Lab::new().unwrap();
    for namespace in [lab.client(), lab.world()] {
        for family in ["-4", "-6"] {
            let routes = Command::new("ip")
                .args(["-n", namespace.name(), family, "route", "show", "default"])
                .output()
                .unwrap();
            assert!(routes.status.success());
            assert_eq!(String::from_utf8_lossy(&routes.stdout), "");
        }
        let connected =
            namespace.run(|| std::net::UdpSocket::bind("0.0.0.0:0")?.connect("192.0.2.1:9")).unwrap();
        assert_eq!(connected.unwrap_err().kind(), std::io::ErrorKind::NetworkUnreachable);
    }
}
