//! What the limiter costs and how exactly it keeps its rates, measured on the running kernel with the real programs in
//! network namespaces. docs/measurements/benchmarks.md says what each number means.
//!
//! `halfopen-bench kernel drain live-dials` measures only what is named.

mod bpf_stats;
mod connection_limits;
mod connections;
pub mod connector;
mod daemon_cost;
mod drain;
mod held_sockets;
mod idle_programs;
mod live_dials;
mod packet_cost;
mod policy;
mod program_cost;
mod report;
pub mod spinner;
mod throughput;
mod two_dialers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use testkit::Machine;

use crate::kernel::report::{Report, Row};

/// A name to ask for it by, and how it is measured.
type Measurement = (&'static str, fn() -> Result<Vec<Row>>);

const MEASUREMENTS: [Measurement; 12] = [
    ("connections", connections::measure),
    ("connection-limits", connection_limits::measure),
    ("two-dialers", two_dialers::measure),
    ("program-cost", program_cost::measure),
    ("packet-test-run", packet_cost::by_test_runs),
    ("packet-cost", packet_cost::by_statistics),
    ("throughput", throughput::measure),
    ("daemon-cost", daemon_cost::measure),
    ("drain", drain::measure),
    ("live-dials", live_dials::measure),
    ("held-sockets", held_sockets::measure),
    ("policy", policy::measured),
];

/// Measures what is named, all where nothing is.
pub fn run(names: &[String]) -> Result<ExitCode> {
    measure(&asked_for(names)?)
}

/// Those that are named, all if none is.
fn asked_for(named: &[String]) -> Result<Vec<Measurement>> {
    if let Some(unknown) = named.iter().find(|name| MEASUREMENTS.iter().all(|(known, _)| known != name)) {
        let known = MEASUREMENTS.map(|(name, _)| name).join(", ");
        bail!("there is no measurement {unknown:?}: name some of {known}, or none for all");
    }
    let asked =
        MEASUREMENTS.into_iter().filter(|(name, _)| named.is_empty() || named.iter().any(|n| n == name));
    Ok(asked.collect())
}

fn measure(asked: &[Measurement]) -> Result<ExitCode> {
    let mut report = Report::begin(Machine::look())?;
    for (name, measure) in asked {
        let started = Instant::now();
        eprintln!("measuring {name} ...");
        match measure() {
            Ok(rows) => report.add(name, &rows)?,
            Err(error) => report.failed(name, &error),
        }
        eprintln!("{name} took {:.0} s", started.elapsed().as_secs_f64());
    }
    report.finish()
}
