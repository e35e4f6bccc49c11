//! Dialers dial what they are told, in the cgroup and namespace they are told, and can be killed at any moment.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::{Duration, Instant};

use testkit::dial::{Outcome, Report, Spec, Style};
use testkit::{Dialer, Family, Host, HostKind, Lab, Mix, PORT, require_lab};

const PATIENCE: Duration = Duration::from_mins(1);

fn await_open(lab: &Lab, wanted: usize) {
    let deadline = Instant::now() + PATIENCE;
    while lab.listener().open() != wanted {
        assert!(Instant::now() < deadline, "{} connections open, not {wanted}", lab.listener().open());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ten_thousand_dials_at_once_from_one_process() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 10_000, family: Family::Both, ..Mix::default() }).unwrap();
    let start = Instant::now();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    println!("all dialled after {:?}", start.elapsed());
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    println!("all done after {:?}", start.elapsed());
    assert_eq!(reports.len(), 10_000);
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected));
    await_open(&lab, 10_000);
    assert_eq!(lab.cgroup().pids(), [dialling.pid()]);
    assert_eq!(dialling.kill().len(), 10_000);
    await_open(&lab, 0);
}

#[test]
fn blocking_dials_take_turns_in_the_order_given() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 30, dead: 2, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).blocking(1).close_when_connected();
    let reports =
        dialer.patience(Duration::from_millis(300)).spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().map(|report| report.index).eq(0..32), "not in order");
    let cancelled: Vec<_> = reports.iter().filter(|report| report.outcome == Outcome::Cancelled).collect();
    assert_eq!(cancelled.len(), 2);
    assert!(cancelled.iter().all(|report| report.waited() >= Duration::from_millis(300)), "{cancelled:?}");
    assert!(reports.iter().all(|report| report.source.is_some()));
    await_open(&lab, 0);
}

#[test]
fn who_has_enough_dials_no_more() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 40, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).dials_per_s(20.0).enough(10);
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert_eq!(reports.len(), 10);
}

#[test]
fn so_many_at_a_time_are_under_way_and_those_after_them_keep_their_distance() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).dials_per_s(100.0).at_a_time(5);
    let reports =
        dialer.patience(Duration::from_millis(500)).spawn().unwrap().await_all_done(PATIENCE).unwrap();
    let mut started: Vec<_> = reports.iter().map(Report::started).collect();
    started.sort_unstable();
    let gap = |from: usize, to: usize| started[to].saturating_sub(started[from]);
    for place in 0..15 {
        assert!(gap(place, place + 5) >= Duration::from_millis(495), "{:?}", gap(place, place + 5));
    }
    assert!((1..20).all(|place| gap(place - 1, place) >= Duration::from_millis(5)), "{started:?}");
}

#[test]
fn many_threads_wait_on_dead_hosts_side_by_side() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 200, ..Mix::default() }).unwrap();
    let start = Instant::now();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).blocking(200);
    let dialling = dialer.patience(Duration::from_millis(500)).spawn().unwrap();
    dialling.await_all_done(PATIENCE).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "one after the other they take 100 s");
}

#[test]
fn dials_are_spread_when_told_to() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 50, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).dials_per_s(50.0);
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    let first = reports[0].started();
    for report in reports {
        let due = Duration::from_millis(20) * report.index as u32;
        assert!(report.started() + Duration::from_millis(5) >= first + due, "{report:?} came early");
    }
}

#[test]
fn user_timeout_ends_a_dial_before_the_kernel_would() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 1, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(&lab).destinations(hosts.destinations()).user_timeout(Duration::from_secs(2));
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    assert_eq!(reports[0].outcome, Outcome::TimedOut);
    assert!(reports[0].waited() < Duration::from_secs(20), "{reports:?}");
}

#[test]
fn a_dialer_that_ends_early_is_told_from_one_that_is_slow() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let slow = dialling.await_all_done(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(!slow.contains("has ended"), "{slow}");
    dialling.signal(rustix::process::Signal::KILL).unwrap();
    let start = Instant::now();
    let dead = dialling.await_all_done(PATIENCE).unwrap_err().to_string();
    assert!(dead.contains("the dialer has ended"), "{dead}");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn tasks_are_dialled_side_by_side_in_one_process_and_each_dial_at_its_time() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 3, dead: 1, ..Mix::default() }).unwrap();
    let live = hosts.of(HostKind::Live);
    let mut dialling = Dialer::new(&lab).destinations(hosts.of(HostKind::Dead)).spawn().unwrap();
    let second = Spec { destinations: live, at_us: vec![0, 300_000, 600_000], ..Spec::default() };
    dialling.also(&second).unwrap();
    let reports = dialling.await_reports(3, PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.task == 1 && report.outcome == Outcome::Connected));
    assert!(reports.iter().map(|report| report.index).eq(0..3), "{reports:?}");
    let gaps = reports.windows(2).map(|pair| pair[1].started().abs_diff(pair[0].started()));
    assert!(gaps.into_iter().all(|gap| gap > Duration::from_millis(200)), "{reports:?}");
    // The first task is still at its dead host.
    assert!(dialling.await_all_done(Duration::from_millis(100)).is_err());
}

#[test]
fn children_dial_in_cgroups_below_their_parents() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let service = lab.cgroup().child("service").unwrap();
    let hosts = lab.draw(&Mix { live: 3, dead: 7, ..Mix::default() }).unwrap();
    let mut dialling = Dialer::new(&lab).cgroup(&service).spawn().unwrap();
    let patience = Duration::from_secs(3);
    dialling
        .also(&Spec {
            destinations: hosts.destinations(),
            style: Style::Forks { dials: 4, children: 2 },
            patience_ms: Some(patience.as_millis() as u64),
            ..Spec::default()
        })
        .unwrap();
    let below = || -> Vec<usize> {
        let entries = std::fs::read_dir(service.path()).unwrap().flatten();
        let cgroups = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let pids = |path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
        cgroups.map(|cgroup| pids(cgroup.path().join("cgroup.procs"))).collect()
    };
    let deadline = Instant::now() + PATIENCE;
    while below() != [1, 1] {
        assert!(Instant::now() < deadline, "not two children with a cgroup each: {:?}", below());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(service.pids(), [dialling.pid()]);
    let mut reports = dialling.await_all_done(PATIENCE).unwrap();
    reports.sort_by_key(|report| report.index);
    assert!(reports.iter().map(|report| report.index).eq(0..10));
    assert!(reports.iter().zip(hosts.destinations()).all(|(report, to)| report.destination == to));
    let connected = reports.iter().filter(|report| report.outcome == Outcome::Connected).count();
    assert_eq!(connected, 3);
    assert_eq!(below(), [0; 0]);
}

#[test]
fn placed_addresses_answer_as_their_kind_and_are_not_drawn() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let address = |last: u8| std::net::IpAddr::from([198, 18, 7, last]);
    let placed: Vec<_> = (0..=255)
        .map(|last| Host {
            address: address(last),
            kind: if last < 250 { HostKind::Live } else { HostKind::Dead },
        })
        .collect();
    lab.place(&placed[..254]).unwrap();
    let within = Some("198.18.7.0/24".parse().unwrap());
    let rest = lab.draw(&Mix { live: 2, within, ..Mix::default() }).unwrap();
    assert!(rest.all().iter().all(|host| [address(254), address(255)].contains(&host.address)), "{rest:?}");
    let destinations = placed.iter().map(|host| std::net::SocketAddr::new(host.address, PORT));
    let dialer = Dialer::new(&lab).destinations(destinations).patience(Duration::from_secs(2));
    let reports = dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap();
    let cancelled = reports.iter().filter(|report| report.outcome == Outcome::Cancelled);
    assert!(cancelled.map(|report| report.index).eq(250..254), "{reports:?}");
}
