//! How well few slots are used when every peer answers: 500 dials at once at a round trip of 50 ms through 10 slots.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use halfopen_lab::dial::{Outcome, Report};
use halfopen_lab::{Capture, Cgroup, Dialer, Lab, Limiter, Mix, Side, Wan, invariant};

use crate::report::{Aim, Row};
use crate::spread::Spread;

const DIALS: usize = 500;
const SLOTS: usize = 10;
const ONE_WAY: Duration = Duration::from_millis(25);
const REPETITIONS: usize = 5;
const MOST: f64 = 1.5;
const PATIENCE: Duration = Duration::from_mins(1);
/// Dials without the limiter, one at a time, to see what a round trip really takes.
const PROBES: usize = 20;

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::builder().wan(Wan { delay: ONE_WAY, loss: 0.0 }).build()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let limiter = Limiter::builder(&lab).set("half_open", SLOTS).set("drain", "unlimited").start()?;
    let ideal = (ONE_WAY * 2).as_secs_f64() * DIALS as f64 / SLOTS as f64;
    let mut ratios = Vec::new();
    let mut timelines = Vec::new();
    let mut round_trips = Vec::new();
    for _ in 0..REPETITIONS {
        round_trips.push(round_trip_ms(&lab, &unlimited)?);
        let capture = lab.capture(Side::Client)?;
        let hosts = lab.draw(&Mix { live: DIALS, ..Mix::default() })?;
        let dialler = Dialer::new(&lab).destinations(hosts.destinations()).close_when_connected();
        let reports = dialler.spawn()?.await_all_done(PATIENCE)?;
        let connected = reports.iter().filter(|report| report.outcome == Outcome::Connected).count();
        ensure!(connected == DIALS, "only {connected} of {DIALS} live dials were established");
        ratios.push(took(&reports)?.as_secs_f64() / ideal);
        timelines.push(Timeline::of(capture)?);
    }
    limiter.stop()?;
    let median = |pick: fn(&Timeline) -> f64| Spread::of(timelines.iter().map(pick)).median();
    Ok(vec![Row {
        what: format!("{DIALS} live dials at 50 ms through {SLOTS} slots, time / ideal"),
        aim: Some(Aim::Below(MOST)),
        value: Spread::of(ratios),
        unit: "",
        decimals: 2,
        note: format!(
            "of {ideal} s; half of the SYNs out after {:.2} s, 90 % {:.2}, 98 % {:.2}, all {:.2} s; longest gap \
             between two {:.0} ms, in the last tenth {:.0} ms; a round trip took {:.1} ms",
            median(|timeline| timeline.half),
            median(|timeline| timeline.nine_tenths),
            median(|timeline| timeline.nearly_all),
            median(|timeline| timeline.all),
            median(|timeline| timeline.longest_gap_ms),
            median(|timeline| timeline.longest_late_gap_ms),
            Spread::of(round_trips).median(),
        ),
    }])
}

/// From the first connect() to the last connection.
fn took(reports: &[Report]) -> Result<Duration> {
    let begin = reports.iter().map(Report::started).min();
    let end = reports.iter().map(|report| report.started() + report.waited()).max();
    begin.zip(end).map(|(begin, end)| end.saturating_sub(begin)).context("no dial has ended")
}

fn round_trip_ms(lab: &Lab, unlimited: &Cgroup) -> Result<f64> {
    let hosts = lab.draw(&Mix { live: PROBES, ..Mix::default() })?;
    let dialler = Dialer::new(lab).cgroup(unlimited).destinations(hosts.destinations()).blocking(1);
    let reports = dialler.spawn()?.await_all_done(PATIENCE)?;
    Ok(Spread::of(reports.iter().map(|report| report.waited().as_secs_f64() * 1e3)).median())
}

/// When the SYNs left, in seconds from the first one on: a slot that is free and not taken shows as a gap.
struct Timeline {
    half: f64,
    nine_tenths: f64,
    nearly_all: f64,
    all: f64,
    longest_gap_ms: f64,
    longest_late_gap_ms: f64,
}

impl Timeline {
    fn of(capture: Capture) -> Result<Self> {
        let captured = capture.finish()?;
        let first_syns: Vec<_> =
            invariant::attempts(&captured.segments, &[]).iter().map(|attempt| attempt.syns[0]).collect();
        let begin = first_syns.first().copied().context("no SYN left")?;
        let times = Spread::of(first_syns.iter().map(|at| at.saturating_sub(begin).as_secs_f64()));
        let longest_gap_ms = |syns: &[Duration]| {
            syns.windows(2)
                .map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64() * 1e3)
                .fold(0.0, f64::max)
        };
        Ok(Self {
            half: times.median(),
            nine_tenths: times.quantile(0.9),
            nearly_all: times.quantile(0.98),
            all: times.most(),
            longest_gap_ms: longest_gap_ms(&first_syns),
            longest_late_gap_ms: longest_gap_ms(&first_syns[first_syns.len() * 9 / 10..]),
        })
    }
}
