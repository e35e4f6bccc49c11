//! What 10,000 held sockets that ask again and again take from programs that compute: a loop on every processor, with
//! and without them; and how often they ask, with waiters that are woken and without.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::{Dialer, Lab, Limiter, Mix, Spread};

use crate::kernel::report::{Aim, Row};
use crate::kernel::spinner::{Progress, progress};

const HELD: usize = 10_000;
const CYCLES: usize = 2;
const SPIN: Duration = Duration::from_millis(500);
const SPINS_WITHOUT: usize = 6;
const SPINS_WITH: usize = 12;
/// Longer than the daemon's promise to wake waiters holds.
const SETTLE: Duration = Duration::from_secs(4);
/// Held for longer, they ask less often.
const LATE: Duration = Duration::from_secs(35);
const MOST_PERCENT: f64 = 5.0;
const MOST_RECHECKS: f64 = 200.0;
const PATIENCE: Duration = Duration::from_mins(1);

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let hosts = lab.draw(&Mix { dead: 1_000, ..Mix::default() })?;
    let limiter = Limiter::builder(&lab).set("queue", 2 * HELD).start()?;
    let mut rows = Vec::new();
    for (wakeups, note) in [(true, ""), (false, ", wakeups = false")] {
        limiter.set("wakeups", wakeups)?;
        std::thread::sleep(SETTLE);
        let (mut early, mut late) = (Phase::default(), Phase::default());
        for _ in 0..CYCLES {
            let without = spins(SPINS_WITHOUT)?;
            let began = Instant::now();
            let destinations = hosts.destinations().into_iter().cycle().take(HELD);
            let dialling = Dialer::new(&lab).destinations(destinations).spawn()?;
            dialling.await_all_dialled(PATIENCE)?;
            limiter.await_status("nearly all to wait", PATIENCE, |status| {
                usize::try_from(status.host.queued).is_ok_and(|queued| queued + 200 > HELD)
            })?;
            std::thread::sleep(SETTLE);
            early.compare(&lab, &without)?;
            std::thread::sleep(LATE.saturating_sub(began.elapsed()));
            late.compare(&lab, &without)?;
            drop(dialling);
            limiter.await_status("none to wait", PATIENCE, |status| status.host.queued == 0)?;
        }
        rows.extend(early.rows(&format!("{HELD} held sockets, first 30 s{note}")));
        rows.extend(late.rows(&format!("{HELD} held sockets after {} s{note}", LATE.as_secs())));
    }
    limiter.stop()?;
    Ok(rows)
}

fn spins(count: usize) -> Result<Vec<Progress>> {
    (0..count).map(|_| progress(SPIN)).collect()
}

/// The part of one core that is lost while they are held, in percent.
#[derive(Default)]
struct Phase {
    to_interrupts: Vec<f64>,
    by_steps: Vec<f64>,
    rechecks_per_second: Vec<f64>,
}

impl Phase {
    fn compare(&mut self, lab: &Lab, without: &[Progress]) -> Result<()> {
        let (before, start) = (rechecks(lab)?, Instant::now());
        let with = spins(SPINS_WITH)?;
        self.rechecks_per_second.push((rechecks(lab)? - before) as f64 / start.elapsed().as_secs_f64());
        let cores = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let usual = |pick: fn(&Progress) -> f64| Spread::of(without.iter().map(pick)).median();
        let (interrupted, steps) = (usual(|spin| spin.interrupted), usual(|spin| spin.steps_per_second));
        self.to_interrupts.extend(with.iter().map(|spin| (spin.interrupted - interrupted) * 100.0));
        self.by_steps.extend(with.iter().map(|spin| (1.0 - spin.steps_per_second / steps) * cores * 100.0));
        Ok(())
    }

    fn rows(self, what: &str) -> [Row; 2] {
        let (value, by_steps) = (Spread::of(self.to_interrupts), Spread::of(self.by_steps));
        let note = format!(
            "of one core, lost to interrupts; half of the spins within {:.1} to {:.1} %; by steps done {:.1} %",
            value.quantile(0.25),
            value.quantile(0.75),
            by_steps.median(),
        );
        let aim = Some(Aim::Below(MOST_PERCENT));
        let lost =
            Row { what: format!("{what}, by a computing loop"), aim, value, unit: " %", decimals: 1, note };
        let rechecks = Row {
            what: format!("{what}, re-checks a second"),
            aim: Some(Aim::Below(MOST_RECHECKS)),
            value: Spread::of(self.rechecks_per_second),
            unit: "/s",
            decimals: 0,
            note: String::new(),
        };
        [lost, rechecks]
    }
}

/// How often the client's sockets have been asked for their SYN again: TCP counts each as a retransmission.
fn rechecks(lab: &Lab) -> Result<u64> {
    // A thread's own /proc/net shows the namespace that it is in.
    let counters = lab.client().run(|| std::fs::read_to_string("/proc/thread-self/net/netstat"))?;
    let counters = counters.context("reading the namespace's TCP counters")?;
    let mut lines = counters.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let place =
        names.split(' ').position(|name| name == "TCPSynRetrans").context("TCPSynRetrans is not counted")?;
    let value = values.split(' ').nth(place).and_then(|value| value.parse().ok());
    value.context("TCPSynRetrans has no value")
}
