//! `record` beside a real daemon: what it writes is what happened, whose it was, and how long it was held.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]
#![allow(clippy::cast_possible_wrap, reason = "there are a few hundred attempts")]

use halfopen_replay::trace::{
    Attempt, Ended, HEADER, Header, Next, Outcome, Program, Record, Writer, decode, encoded, next,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::desk::{PATIENCE, has, program, said, until};
use testkit::{Dialer, HostKind, Lab, Limiter, Mix, Side, require_lab};

const DEAD: usize = 200;
const LIVE: usize = 10;
/// Both are clocks of the kernel; the packet is seen on its way, a moment later.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// A recording that runs.
struct Recording(Child);

impl Recording {
    fn start(arguments: &[&str], file: &Path) -> Self {
        let mut command = Command::new(program());
        command.arg("record").args(arguments).arg("-o").arg(file).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "halfopen: recording; Ctrl-C ends it\n");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Its exit code, and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let code = self.0.wait().unwrap().code();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It has ended, unless a test has failed.
        let _ = self.0.kill();
    }
}

/// When the recording began, in nanoseconds since the epoch, its programs and its attempts.
fn read(file: &Path) -> (u64, HashMap<u32, Program>, Vec<Attempt>) {
    let bytes = fs::read(file).unwrap();
    let since = Header::read(&bytes).unwrap().since;
    let (mut programs, mut attempts) = (HashMap::new(), Vec::new());
    let mut rest = &bytes[HEADER..];
    while let Next::Whole(content, length) = next(rest) {
        match decode(content).unwrap() {
            Record::Program(number, program) => drop(programs.insert(number, program)),
            Record::Attempt(attempt) => attempts.push(attempt),
            _ => {}
        }
        rest = &rest[length..];
    }
    (since, programs, attempts)
}

fn replay(arguments: &[&str], file: &Path) -> Value {
    let replayed = said(Command::new(program()).args(["replay", "--json"]).args(arguments).arg(file));
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    serde_json::from_str(&replayed.out).unwrap()
}

#[test]
fn what_is_recorded_of_a_scan_and_of_curl_is_what_happened_and_a_replay_repeats_it() {
    require_lab!();
    if !has("curl", "curl") {
        return;
    }
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: LIVE, dead: DEAD, ..Mix::default() }).unwrap();
    let (scan, shop) = (lab.cgroup().child("scan").unwrap(), lab.cgroup().child("shop").unwrap());
    let limiter = Limiter::builder(&lab).set("preset", "adaptive").start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lab.trace");
    let capture = lab.capture(Side::World).unwrap();
    let mut recording = Recording::start(&[], &file);
    let scanner = Dialer::new(&lab).cgroup(&scan).destinations(hosts.of(HostKind::Dead)).spawn().unwrap();
    scanner.await_all_dialled(PATIENCE).unwrap();
    for to in hosts.of(HostKind::Live) {
        let mut curl = lab.client().command_in(&shop, "curl");
        // The listener does not speak HTTP: only the connection counts.
        curl.args(["-s", "-m", "5", "-o", "/dev/null", "-w", "%{time_connect}"]);
        let ended = curl.arg(format!("http://{to}/")).output().unwrap();
        let connected: f64 = String::from_utf8_lossy(&ended.stdout).parse().unwrap();
        assert!(connected > 0.0, "{ended:?}");
    }
    let held = limiter
        .await_status("the credit comes back to some", PATIENCE, |status| status.host.released >= 1)
        .unwrap()
        .host;
    drop(scanner);
    limiter.await_status("all have ended", PATIENCE, |status| status.host.queued == 0).unwrap();
    recording.signal(Signal::INT);
    let (code, told) = recording.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("Next: halfopen replay {}", file.display())), "{told}");
    let captured = capture.finish().unwrap();

    // The same attempts, of the same programs.
    let (since, programs, attempts) = read(&file);
    // Others on this host may dial meanwhile.
    let of_lab = |cgroup: &str| own_name(&lab) + cgroup;
    let of = |cgroup: &str| -> Vec<&Attempt> {
        let is = |attempt: &&Attempt| programs[&attempt.program].cgroup.ends_with(&of_lab(cgroup));
        attempts.iter().filter(is).collect()
    };
    let (of_scan, of_shop) = (of("/scan"), of("/shop"));
    assert_eq!((of_scan.len(), of_shop.len()), (DEAD, LIVE));
    assert!(of_shop.iter().all(|attempt| programs[&attempt.program].name == "curl"));
    assert!(of_shop.iter().all(|attempt| attempt.outcome == Outcome::Answered), "{of_shop:?}");
    assert!(of_scan.iter().all(|attempt| attempt.outcome == Outcome::Cancelled), "{of_scan:?}");

    // Held as the limiter says, and until the SYN was on the wire.
    let silent = of_scan.iter().filter(|attempt| attempt.sent.is_none()).count() as i64;
    let released =
        of_scan.iter().filter_map(|attempt| attempt.sent).filter(|sent| sent.after > 50_000).count() as i64;
    assert!(
        released >= held.released && (held.queued - 20..=held.queued).contains(&silent),
        "{released}, {silent}: {held:?}"
    );
    let mut first_on_the_wire = BTreeMap::new();
    for segment in captured.whole().iter().filter(|segment| matches!(segment.kind, testkit::Kind::Syn(_))) {
        first_on_the_wire.entry(segment.to.ip()).or_insert(segment.at);
    }
    for attempt in of_scan.iter().chain(&of_shop) {
        let on_the_wire = first_on_the_wire.get(&attempt.flow.to.as_ip());
        let left = attempt
            .sent
            .map(|sent| Duration::from_nanos(since) + Duration::from_micros(attempt.began + sent.after));
        let agree = match (left, on_the_wire) {
            (Some(left), Some(on_the_wire)) => left.abs_diff(*on_the_wire) < ON_ITS_WAY,
            (left, on_the_wire) => left.is_none() && on_the_wire.is_none(),
        };
        assert!(agree, "{attempt:?} left at {left:?}, and was seen at {on_the_wire:?}");
    }

    // The replay holds as many, in the same accounts. What others dialled meanwhile would share the host with them.
    let of_lab_only = directory.path().join("ours.trace");
    let is_ours = |program: &Program| program.cgroup.contains(&own_name(&lab));
    let mut trace = Writer::new(fs::File::create(&of_lab_only).unwrap(), since).unwrap();
    for (number, program) in programs.iter().filter(|(_, program)| is_ours(program)) {
        trace.put(&encoded(&Record::Program(*number, program.clone()))).unwrap();
    }
    for attempt in attempts.iter().filter(|attempt| is_ours(&programs[&attempt.program])) {
        trace.put(&encoded(&Record::Attempt(*attempt))).unwrap();
    }
    trace.put(&encoded(&Record::End(Ended::Asked))).unwrap();
    trace.flush().unwrap();
    let replayed = replay(&[], &of_lab_only);
    let sources = replayed["policies"][0]["sources"].as_array().unwrap();
    let scanner = sources
        .iter()
        .find(|of| of["program"]["cgroup"].as_str().unwrap().ends_with(&of_lab("/scan")))
        .unwrap();
    let account = scanner["program"]["account"].as_str().unwrap();
    assert!(account.starts_with("adaptive[/") && account.ends_with("/scan]"), "{account}");
    let count = |of: &Value, name: &str| of[name].as_i64().unwrap();
    let at_once = DEAD as i64 - count(&scanner["delayed"], "count");
    let really = DEAD as i64 - silent - released;
    assert!((at_once - really).abs() <= 5, "{at_once} at once in the replay, {really} really");
    assert!((count(&scanner["recorded"], "attempts"), count(&scanner["recorded"], "silent")) == (200, 200));
    assert!(
        !sources.iter().any(|of| of["program"]["cgroup"].as_str().unwrap().ends_with(&of_lab("/shop"))),
        "curl waits nowhere: {sources:?}"
    );
    assert!(count(&replayed["inputs"][0]["limited"]["held"], "count") >= silent + released);
}

#[test]
fn what_the_limiter_refuses_is_told_apart() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { dead: 60, ..Mix::default() }).unwrap();
    let limiter = Limiter::builder(&lab)
        .set("half_open", 2)
        .set("queue", 10)
        .set("overflow", "refuse")
        .start()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lab.trace");
    let mut recording = Recording::start(&[], &file);
    let dialler = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    dialler.await_all_dialled(PATIENCE).unwrap();
    let refused = limiter.status().unwrap().host.queued;
    drop(dialler);
    recording.signal(Signal::TERM);
    assert_eq!(recording.end().0, Some(0));
    let (_, programs, attempts) = read(&file);
    let own = |attempt: &&Attempt| programs[&attempt.program].cgroup.contains(&own_name(&lab));
    let of =
        |outcome| attempts.iter().filter(own).filter(|attempt| attempt.outcome == outcome).count() as i64;
    assert!(refused > 0 && of(Outcome::Refused) + of(Outcome::Cancelled) == 60, "{attempts:?}");
    assert!(of(Outcome::Cancelled) <= 2 + 10 + 1, "{}", of(Outcome::Cancelled));
}

fn own_name(lab: &Lab) -> String {
    lab.cgroup().path().file_name().unwrap().to_string_lossy().into_owned()
}

fn dial_often(lab: &Lab) -> testkit::Dialling {
    let hosts = lab.draw(&Mix { refusing: 100, ..Mix::default() }).unwrap();
    let dialler = Dialer::new(lab).destinations(hosts.destinations()).spawn().unwrap();
    dialler.await_all_done(PATIENCE).unwrap();
    dialler
}

#[test]
fn one_that_is_killed_leaves_what_it_has_written_and_no_file_is_written_over_unasked() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("killed.trace");
    let mut recording = Recording::start(&[], &file);
    let written = || {
        let (_, programs, attempts) = read(&file);
        let own = |attempt: &&Attempt| programs[&attempt.program].cgroup.contains(&own_name(&lab));
        attempts.iter().filter(own).filter(|attempt| attempt.outcome == Outcome::Reset).count()
    };
    drop(dial_often(&lab));
    until("all are in the file", PATIENCE, || (written() == 100).then_some(()));
    recording.signal(Signal::KILL);
    assert_eq!(recording.end().0, None);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(replay(&[], &file)["recorded"]["turned_down"].as_u64().unwrap() >= 100);

    let before = fs::read(&file).unwrap();
    let again = said(Command::new(program()).args(["record", "--for", "1s", "-o"]).arg(&file));
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.error.contains("is there already"), "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let over = said(Command::new(program()).args(["record", "--for", "1s", "--overwrite", "-o"]).arg(&file));
    assert_eq!(over.code, Some(0), "{over:?}");
    // Others on this host may have dialled meanwhile.
    assert_eq!(written(), 0);
}

#[test]
fn one_that_is_full_ends_within_its_size() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("full.trace");
    let mut recording = Recording::start(&["--max-size", "4K"], &file);
    drop(dial_often(&lab));
    let (code, told) = recording.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("it is full"), "{told}");
    let size = fs::metadata(&file).unwrap().len();
    assert!((3_900..=4_096).contains(&size), "{size}");
    assert!(replay(&[], &file)["recorded"]["attempts"].as_u64().unwrap() > 50);
}
