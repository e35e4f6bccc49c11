//! How well few slots are used when every peer answers: 500 dials at once at a round trip of 50 ms through 10 slots,
//! with waiters that are woken and with such that only ask by themselves.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::dial::{Outcome, Report};
use testkit::{Capture, Cgroup, Dialer, Lab, Limiter, Mix, Side, Spread, Wan, invariant};

use crate::kernel::report::{Aim, Row};

const DIALS: usize = 500;
const SLOTS: usize = 10;
const ONE_WAY: Duration = Duration::from_millis(25);
const REPETITIONS: usize = 5;
const MOST_WOKEN: f64 = 1.08;
const MOST_ASKING: f64 = 1.5;
const PATIENCE: Duration = Duration::from_mins(1);
/// The daemon takes up a change within a second, and its promise to waiters ends after three.
const SETTLE: Duration = Duration::from_secs(4);
/// Dials without the limiter, one at a time, to see what a round trip really takes.
const PROBES: usize = 20;

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::builder().wan(Wan { delay: ONE_WAY, loss: 0.0 }).build()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let limiter = Limiter::builder(&lab).set("half_open", SLOTS).set("drain", "unlimited").start()?;
    let mut with = Series::default();
    let mut without = Series::default();
    let mut round_trips = Vec::new();
    for _ in 0..REPETITIONS {
        round_trips.push(round_trip_ms(&lab, &unlimited)?);
        for (wakeups, series) in [(true, &mut with), (false, &mut without)] {
            limiter.set("wakeups", wakeups)?;
            std::thread::sleep(SETTLE);
            series.add(&lab)?;
        }
    }
    limiter.stop()?;
    let round_trip_ms = Spread::of(round_trips).median();
    let what = format!("{DIALS} live dials at 50 ms through {SLOTS} slots, time / ideal");
    Ok(vec![
        with.row(what, MOST_WOKEN, round_trip_ms),
        without.row("the same with wakeups = false".to_owned(), MOST_ASKING, round_trip_ms),
    ])
}

fn ideal() -> f64 {
    (ONE_WAY * 2).as_secs_f64() * DIALS as f64 / SLOTS as f64
}

/// The repetitions of one kind.
#[derive(Default)]
struct Series {
    ratios: Vec<f64>,
    timelines: Vec<Timeline>,
}

impl Series {
    fn add(&mut self, lab: &Lab) -> Result<()> {
        let capture = lab.capture(Side::Client)?;
        let hosts = lab.draw(&Mix { live: DIALS, ..Mix::default() })?;
        let dialler = Dialer::new(lab).destinations(hosts.destinations()).close_when_connected();
        let reports = dialler.spawn()?.await_all_done(PATIENCE)?;
        let connected = reports.iter().filter(|report| report.outcome == Outcome::Connected).count();
        ensure!(connected == DIALS, "only {connected} of {DIALS} live dials were established");
        self.ratios.push(took(&reports)?.as_secs_f64() / ideal());
        self.timelines.push(Timeline::of(capture)?);
        Ok(())
    }

    fn row(self, what: String, most: f64, round_trip_ms: f64) -> Row {
        let median = |pick: fn(&Timeline) -> f64| Spread::of(self.timelines.iter().map(pick)).median();
        let note = format!(
            "of {} s; half of the SYNs out after {:.2} s, 90 % {:.2}, 98 % {:.2}, all {:.2} s; longest gap between \
             two {:.0} ms, in the last tenth {:.0} ms; a round trip took {round_trip_ms:.1} ms",
            ideal(),
            median(|timeline| timeline.half),
            median(|timeline| timeline.nine_tenths),
            median(|timeline| timeline.nearly_all),
            median(|timeline| timeline.all),
            median(|timeline| timeline.longest_gap_ms),
            median(|timeline| timeline.longest_late_gap_ms),
        );
        let value = Spread::of(self.ratios);
        Row { what, aim: Some(Aim::Below(most)), value, unit: "", decimals: 2, note }
    }
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
