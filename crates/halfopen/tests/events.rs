//! Event 4226: one pair for each episode, with what there is to know about the program.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};
use testkit::desk::own_options::{OwnOptions, arguments};
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::{Dialer, Event, Lab, Limiter, Mix, require_lab};

const SCANNED: usize = 10_000;

fn await_events(limiter: &Limiter, count: usize) -> Vec<Event> {
    until(&format!("{count} events"), PATIENCE, || {
        let events = limiter.events().unwrap();
        (events.len() >= count).then_some(events)
    })
}

/// The path below the hierarchy's mount.
fn below_the_mount(lab: &Lab) -> String {
    format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap())
}

#[test]
fn it_names_program_process_executable_cgroup_user_and_destinations() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 5).start().unwrap();
    let dead = lab.draw(&Mix { dead: 40, ..Mix::default() }).unwrap().destinations();
    let mut command = lab.client().command_in(lab.cgroup(), "python3");
    command.args(arguments(&dead)).env("DIAL_AS", "65534");
    let dialer = OwnOptions::start(command);
    let exe = fs::read_link(format!("/proc/{}/exe", dialer.pid())).unwrap();
    let comm = fs::read_to_string(format!("/proc/{}/comm", dialer.pid())).unwrap();
    let pid = dialer.pid();

    let reached = await_events(&limiter, 1).remove(0);
    assert_eq!((reached.id, reached.level.as_str(), reached.state.as_str()), (4226, "warning", "reached"));
    assert_eq!((reached.scope.as_str(), reached.limit, reached.queued), ("host", Some(5), 35));
    assert!(reached.message.starts_with("TCP/IP has reached the security limit imposed on the number"));
    assert_eq!(reached.programs.len(), 1, "{reached:?}");
    let program = &reached.programs[0];
    assert_eq!((program.pid, program.comm.as_str()), (pid, comm.trim_end()));
    assert_eq!(program.exe.as_deref(), exe.to_str());
    assert_eq!((program.cgroup.as_str(), program.user.as_str()), (below_the_mount(&lab).as_str(), "nobody"));
    assert_eq!(program.attempts, 35);
    let dialled: HashSet<_> = dead.iter().map(ToString::to_string).collect();
    let sample: HashSet<_> = program.sample.iter().cloned().collect();
    assert!(sample.len() >= 3 && sample.is_subset(&dialled), "{sample:?}");

    let line = limiter.stderr().lines().find(|line| line.starts_with("event 4226: ")).unwrap().to_owned();
    assert!(line.contains(&format!("(pid {pid}, {}, cgroup {}", exe.display(), program.cgroup)), "{line}");
    assert!(line.contains("35 attempts waiting, such as "), "{line}");

    drop(dialer);
    let events = await_events(&limiter, 2);
    let cleared = &events[1];
    assert_eq!((cleared.state.as_str(), cleared.queued), ("cleared", 0));
    assert_eq!(cleared.programs[0].pid, pid, "who it was is still known");
    assert!(events[1].time > events[0].time);
}

/// A scan in waves, which give up and leave the queue empty between them.
fn scanner_makes_one_pair(queue: usize) {
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 5).set("queue", queue).set("event_after", "0s").start().unwrap();
    let dead = lab.draw(&Mix { dead: SCANNED, ..Mix::default() }).unwrap().destinations();
    let mut listener = limiter.command();
    listener.args(["events", "--follow", "--json"]).stdout(std::process::Stdio::piped());
    let mut listener = listener.spawn().unwrap();
    for wave in dead.chunks(SCANNED / 4) {
        let dialer = Dialer::new(&lab).destinations(wave.iter().copied());
        let scan = dialer.patience(Duration::from_millis(500)).spawn().unwrap();
        scan.await_all_done(PATIENCE).unwrap();
    }
    let scanned = Timestamp::now();
    let events = await_events(&limiter, 2);
    let cleared: Timestamp = events[1].time.parse().unwrap();
    let quiet = cleared.duration_since(scanned);
    assert!(quiet > SignedDuration::from_secs(9), "cleared {quiet:?} after the last one waited");
    let states: Vec<_> = events.iter().map(|event| event.state.as_str()).collect();
    assert_eq!(states, ["reached", "cleared"]);
    let host = limiter.status().unwrap().host;
    let waited: u64 = events[1].programs.iter().map(|program| program.attempts).sum();
    let told = waited.cast_signed() + host.refused_overflow + host.admitted;
    assert_eq!(told, SCANNED.cast_signed() as i64, "{host:?}");
    // One for each wave's process, but for those whose connects were all refused: their user cancels too much.
    assert!((1..=4).contains(&events[1].programs.len()), "{:?}", events[1].programs);
    if queue < SCANNED {
        assert!(host.refused_overflow > 0, "{host:?}");
    }
    listener.kill().unwrap();
    let followed = listener.wait_with_output().unwrap().stdout;
    let followed = String::from_utf8(followed).unwrap();
    let ids: Vec<Value> = followed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids.len(), 2, "{followed}");
}

#[test]
fn a_scanner_of_ten_thousand_makes_two_events() {
    require_lab!();
    scanner_makes_one_pair(SCANNED);
}

#[test]
fn a_scanner_that_overruns_the_queue_makes_two_events() {
    require_lab!();
    scanner_makes_one_pair(100);
}

#[test]
fn waits_are_told_of_when_they_are_long_and_while_they_last() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 1).set("slot_life", "10m").start().unwrap();
    let dead = lab.draw(&Mix { dead: 3, ..Mix::default() }).unwrap().destinations();
    // The only slot is this one's for longer than the test.
    let holder = Dialer::new(&lab).destinations(dead[..1].iter().copied()).spawn().unwrap();
    holder.await_all_dialled(PATIENCE).unwrap();
    // Again and again for long enough that it would be told of with 0s.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let dialer = Dialer::new(&lab).destinations(dead.iter().copied());
        let impatient = dialer.patience(Duration::from_millis(300)).spawn().unwrap();
        impatient.await_all_done(PATIENCE).unwrap();
    }
    let host = limiter.status().unwrap().host;
    assert!(host.cancelled > 4 && host.queued == 0, "{host:?}");
    assert!((1..1_000).contains(&host.longest_wait_ms), "the machine is too busy for this test: {host:?}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(limiter.events().unwrap(), []);

    let waiting = Dialer::new(&lab).destinations(dead).spawn().unwrap();
    waiting.await_all_dialled(PATIENCE).unwrap();
    let event = await_events(&limiter, 1).remove(0);
    let host = limiter.status().unwrap().host;
    assert_eq!((host.queued, host.released), (3, 0), "they wait still");
    assert_eq!((event.state.as_str(), event.scope.as_str(), event.queued), ("reached", "host", 3));
    let named = event.programs.iter().find(|program| program.pid == waiting.pid()).unwrap();
    assert_eq!(named.attempts, 3);
    assert!(event.programs.iter().all(|program| program.pid != holder.pid()), "it has not waited");
}

#[test]
fn a_refused_attempt_is_told_of_at_once() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 1).set("queue", 8).start().unwrap();
    assert_eq!(limiter.get("event_after").unwrap(), "1s");
    limiter.set("event_after", "1h").unwrap();
    let dead = lab.draw(&Mix { dead: 30, ..Mix::default() }).unwrap().destinations();
    let dialling = Dialer::new(&lab).destinations(dead[..9].iter().copied()).spawn().unwrap();
    limiter.await_status("all to wait", PATIENCE, |status| status.host.queued == 8).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(limiter.events().unwrap(), [], "nobody has waited for an hour");
    let refused = Dialer::new(&lab).destinations(dead[9..].iter().copied()).spawn().unwrap();
    let event = await_events(&limiter, 1).remove(0);
    assert_eq!((event.state.as_str(), event.scope.as_str(), event.queued), ("reached", "host", 8));
    let json = ask_well(&limiter, &["events", "--json"]);
    let json: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let programs = json["programs"].as_array().unwrap();
    let of = |pid: u32| programs.iter().find(|program| program["pid"] == pid).unwrap();
    assert_eq!(of(dialling.pid())["attempts"], 8);
    assert!(of(refused.pid())["refused"].as_u64().unwrap() > 0, "{programs:?}");
}

#[test]
fn in_audit_mode_nobody_is_said_to_wait() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 5).set("mode", "audit").start().unwrap();
    let dead = lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap();
    let _dialling = Dialer::new(&lab).destinations(dead.destinations()).spawn().unwrap();
    let event = await_events(&limiter, 1).remove(0);
    assert_eq!((event.queued, event.programs[0].attempts), (0, 15));
    let lines = [ask_well(&limiter, &["events"]), limiter.stderr()];
    for line in lines {
        let line = line.lines().find(|line| line.contains("event 4226")).unwrap().to_owned();
        assert!(line.contains("Audit mode: nothing was held."), "{line}");
        assert!(
            line.contains(": 15 attempts would have waited, such as ") && !line.contains("waiting"),
            "{line}"
        );
    }
}
