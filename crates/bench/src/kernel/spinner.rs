//! A program that computes on every processor and counts how far it gets: this program in another role.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use testkit::Machine;

/// The subcommand that gives this program the role.
const ROLE: &str = "spinner";

/// Some 10 us of additions.
const STEP: u32 = 20_000;
/// A step that takes so many times the usual was interrupted.
const INTERRUPTED: u64 = 2;

/// How far it got, on all processors together.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Steps a second, by the wall clock.
    pub steps_per_second: f64,
    /// How many processors' worth of its time went to what interrupted it. Other processes do not count where the
    /// kernel's clock of a thread's own time can be used.
    pub interrupted: f64,
}

/// Lets it compute for `time`.
pub fn progress(time: Duration) -> Result<Progress> {
    let program = std::env::current_exe().context("finding the running program")?;
    let output =
        Command::new(program).arg(ROLE).arg(time.as_millis().to_string()).output().context("spinning")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match said.trim().split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>().as_deref() {
        Ok([steps_per_second, interrupted]) => {
            Ok(Progress { steps_per_second: *steps_per_second, interrupted: *interrupted })
        }
        _ => bail!("the spinner said {said:?} and {:?}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The role itself.
pub fn spin(time_ms: u64) -> Result<()> {
    let time = Duration::from_millis(time_ms);
    let processors = std::thread::available_parallelism().context("counting the processors")?.get();
    let threads: Vec<_> =
        (0..processors).map(|processor| std::thread::spawn(move || count(processor, time))).collect();
    let mut sum = (0.0, 0.0);
    for thread in threads {
        let counted = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        sum = (sum.0 + counted.0, sum.1 + counted.1);
    }
    println!("{} {}", sum.0, sum.1);
    Ok(())
}

fn count(processor: usize, time: Duration) -> Result<(f64, f64)> {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).with_context(|| format!("staying on processor {processor}"))?;
    // Interrupts must show in the clock that the steps are timed by.
    let clock =
        if Machine::keeps_interrupt_time_apart() { ClockId::Monotonic } else { ClockId::ThreadCPUTime };
    let start = Instant::now();
    let mut steps = Vec::with_capacity(1 << 16);
    let mut before = now_ns(clock);
    while start.elapsed() < time {
        for addend in 0..STEP {
            black_box(addend);
        }
        let after = now_ns(clock);
        steps.push(after - before);
        before = after;
    }
    let seconds = start.elapsed().as_secs_f64();
    let (count, ran_ns): (usize, u64) = (steps.len(), steps.iter().sum());
    steps.sort_unstable();
    let usual = steps[count / 2];
    let interrupted = steps.iter().filter(|step| **step > INTERRUPTED * usual);
    let lost_ns: u64 = interrupted.map(|step| step - usual).sum();
    Ok((count as f64 / seconds, lost_ns as f64 / ran_ns as f64))
}

fn now_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
