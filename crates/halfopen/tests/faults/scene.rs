//! A scanner that keeps attempts waiting, a stream of live dials beside it, and a recording of all that leaves, from
//! before a fault to after it.

use crate::table::Row;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testkit::desk::{PATIENCE, program, until};
use testkit::dial::{Outcome, Report};
use testkit::invariant::{End, Invariant, attempts, destinations};
use testkit::{Capture, Cgroup, Dialer, Dialling, HostKind, Lab, Limiter, LimiterBuilder, Mix, Side, Status};

pub const LIMIT: u32 = 10;
/// No multiple of the half second between two re-checks: else whoever asks just before a slot comes free always does.
pub const SLOT_LIFE: Duration = Duration::from_millis(1_300);

/// The scanner gives each attempt up after this time, and begins another one in its place.
const SCANNER_PATIENCE: Duration = Duration::from_secs(4);
const SCANNED_PER_S: u32 = 12;
const LIVE_PER_S: u32 = 3;
const DEAD: usize = 600;
const LIVE: usize = 200;
/// How long the dialers go on at most.
const LONGEST: Duration = Duration::from_mins(20);
/// So many wait before a fault begins.
const WAITING: i64 = 20;
/// What a program with the usual number of re-sends waits for a silent peer, a little less.
const MAX_WAIT: Duration = Duration::from_secs(125);
/// A slot begins when its SYN is decided; the task may be preempted, or its processor stopped, until the SYN is
/// recorded, and on a machine that is shared that takes longer than any margin of the limiter's. What escapes the limit
/// overlaps others for up to [`SLOT_LIFE`].
const TOLERANCE: Duration = Duration::from_millis(200);

/// A limiter for a scene: slots come free soon, nothing else holds an attempt.
pub fn limiter(lab: &Lab) -> LimiterBuilder<'_> {
    Limiter::builder(lab)
        .program(program())
        .set("half_open", LIMIT)
        .set("slot_life", format!("{}ms", SLOT_LIFE.as_millis()))
        .set("drain", "unlimited")
}

/// Dropped, it ends the dialers before the limiter and that before the lab.
pub struct Scene {
    capture: Option<Capture>,
    scanners: Vec<Dialling>,
    live: Option<Dialling>,
    pub limiter: Limiter,
    pub lab: Lab,
}

/// What the recording of a scene shows; the dialers have ended.
#[derive(Debug)]
#[must_use]
pub struct Judged {
    /// Who was asked.
    pub destinations: HashSet<SocketAddr>,
    syns: usize,
    most_half_open: usize,
    live_served: usize,
    live_in_vain: usize,
    live_longest_ms: u128,
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn dials(per_s: u32) -> usize {
    per_s as usize * LONGEST.as_secs() as usize
}

impl Scene {
    /// Starts the dialers; returns when attempts wait and live dials have been served.
    pub fn begin(lab: Lab, limiter: Limiter) -> Self {
        Self::begin_in(lab, limiter, None)
    }

    /// Has them dial in another cgroup than the lab's.
    pub fn begin_in(lab: Lab, limiter: Limiter, cgroup: Option<&Cgroup>) -> Self {
        let cgroup = cgroup.unwrap_or(lab.cgroup());
        let hosts = lab.draw(&Mix { dead: DEAD, live: LIVE, ..Mix::default() }).unwrap();
        let cycled = |kind, count| hosts.of(kind).into_iter().cycle().take(count);
        let capture = lab.capture(Side::Client).unwrap();
        let scanner = Dialer::new(&lab)
            .cgroup(cgroup)
            .destinations(cycled(HostKind::Dead, dials(SCANNED_PER_S)))
            .dials_per_s(SCANNED_PER_S.into())
            .patience(SCANNER_PATIENCE);
        let live = Dialer::new(&lab)
            .cgroup(cgroup)
            .destinations(cycled(HostKind::Live, dials(LIVE_PER_S)))
            .dials_per_s(LIVE_PER_S.into())
            .close_when_connected();
        let (scanner, live) = (scanner.spawn().unwrap(), live.spawn().unwrap());
        let scene = Self { capture: Some(capture), scanners: vec![scanner], live: Some(live), limiter, lab };
        scene.saturated();
        scene.live_goes_on(1);
        scene
    }

    /// Waits until attempts wait again.
    pub fn saturated(&self) {
        let waiting = |status: &Status| status.host.queued >= WAITING;
        self.limiter.await_status("attempts to wait", PATIENCE, waiting).unwrap();
    }

    /// Has another dialer of dead addresses judged with the scene.
    pub fn also(&mut self, dialling: Dialling) {
        self.scanners.push(dialling);
    }

    /// Has other dialers of dead addresses judged with the scene.
    pub fn also_all(&mut self, diallings: Vec<Dialling>) {
        self.scanners.extend(diallings);
    }

    fn live_reports(&self) -> Vec<Report> {
        self.live.as_ref().map_or_else(Vec::new, Dialling::reports)
    }

    /// Waits until so many live dials have been served from now on.
    pub fn live_goes_on(&self, count: usize) {
        let from = wall_clock();
        until(&format!("{count} live dials to be served"), PATIENCE, || {
            let served = |report: &&Report| {
                report.outcome == Outcome::Connected && report.started() + report.waited() > from
            };
            (self.live_reports().iter().filter(served).count() >= count).then_some(())
        });
    }

    /// Ends the recording and the dialers. No SYN has escaped, and no live dial has failed; who gets its turn is left to
    /// chance, so that in a long scene one may have waited in vain for as long as its program would.
    pub fn judge(&mut self) -> Judged {
        let captured = self.capture.take().unwrap().finish().unwrap();
        let scanned: Vec<Report> = self.scanners.drain(..).flat_map(Dialling::kill).collect();
        let live = self.live.take().unwrap().kill();
        assert_eq!(captured.lost, 0, "the recording lost packets");
        let ends: Vec<End> = scanned.iter().chain(&live).filter_map(Report::end).collect();
        let attempts = attempts(&captured.segments, &ends);
        let within = |tolerance| {
            let invariant = Invariant { half_open: LIMIT as usize, slot_life: SLOT_LIFE, tolerance };
            invariant.check(&attempts)
        };
        let peak = within(TOLERANCE).unwrap_or_else(|violation| panic!("{violation}"));
        let needed = (0..TOLERANCE.as_millis() as u64).find(|ms| within(Duration::from_millis(*ms)).is_ok());
        println!("SYNs were recorded up to {needed:?} ms after they were decided");
        let in_vain = |report: &&Report| report.outcome != Outcome::Connected;
        let failed: Vec<_> = live.iter().filter(in_vain).collect();
        let waited_out = |report: &Report| report.outcome == Outcome::TimedOut && report.waited() > MAX_WAIT;
        assert!(failed.iter().copied().all(waited_out), "live dials that were not served: {failed:?}");
        assert!(failed.len() <= live.len() / 50, "too many live dials that were not served: {failed:?}");
        assert_eq!(peak.half_open, LIMIT as usize, "the limit was never reached: nothing is shown");
        Judged {
            destinations: destinations(&attempts),
            syns: attempts.iter().map(|attempt| attempt.syns.len()).sum(),
            most_half_open: peak.half_open,
            live_served: live.len() - failed.len(),
            live_in_vain: failed.len(),
            live_longest_ms: live.iter().map(|report| report.waited().as_millis()).max().unwrap_or_default(),
        }
    }

    /// Judges while the limiter runs: when the dialers have ended the accounting must be at zero, and must never have drifted.
    pub fn judge_with_accounting(&mut self) -> Judged {
        let judged = self.judge();
        self.limiter
            .await_status("empty accounting", PATIENCE, |status| {
                (status.host.half_open, status.host.aged, status.host.queued) == (0, 0, 0)
            })
            .unwrap();
        let drifted = ["no_storage", "no_policy", "reconciled", "hold_options", "restore_options"];
        let status = self.status();
        let faults = status["faults"].as_array().unwrap();
        let wrong: Vec<_> = faults
            .iter()
            .filter(|fault| drifted.iter().any(|name| fault["fault"] == *name) && fault["count"] != 0)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        judged
    }

    /// All that `status --json` says.
    pub fn status(&self) -> serde_json::Value {
        let output = self.limiter.command().args(["status", "--json"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How often a fault has been counted, as status shows it.
    pub fn fault_count(&self, name: &str) -> u64 {
        let status = self.status();
        let faults = status["faults"].as_array().unwrap();
        faults.iter().find(|fault| fault["fault"] == name).map_or(0, |fault| fault["count"].as_u64().unwrap())
    }
}

impl Judged {
    /// Adds the row of this fault to the table.
    pub fn tell(&self, fault: &str, extent: impl Into<String>, shown: impl Into<String>) {
        Row {
            fault: fault.to_owned(),
            extent: extent.into(),
            syns: self.syns,
            most_half_open: self.most_half_open,
            limit: LIMIT as usize,
            live_served: self.live_served,
            live_in_vain: self.live_in_vain,
            live_longest_ms: self.live_longest_ms,
            shown: shown.into(),
        }
        .write();
    }
}
