//! What the limiter costs and how exactly it keeps its rates, measured on the running kernel with the real programs in
//! network namespaces. docs/measurements/benchmarks.md says what each number means.
//!
//! `cargo bench -p halfopen-lab --bench kernel -- drain live-dials` measures only what is named.

#![forbid(unsafe_code)]

mod bpf_stats;
mod connections;
mod connector;
mod drain;
mod held_sockets;
mod idle_programs;
mod live_dials;
mod packet_cost;
mod policy;
mod program_cost;
mod report;
mod spinner;
mod throughput;
mod two_dialers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use halfopen_lab::{Lab, Machine};

use crate::report::{Report, Row};

/// A name to ask for it by, and how it is measured.
type Measurement = (&'static str, fn() -> Result<Vec<Row>>);

const MEASUREMENTS: [Measurement; 10] = [
    ("connections", connections::measure),
    ("two-dialers", two_dialers::measure),
    ("program-cost", program_cost::measure),
    ("packet-test-run", packet_cost::by_test_runs),
    ("packet-cost", packet_cost::by_statistics),
    ("throughput", throughput::measure),
    ("drain", drain::measure),
    ("live-dials", live_dials::measure),
    ("held-sockets", held_sockets::measure),
    ("policy", policy::measured),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == connector::ROLE => connector::serve(rest).map(|()| ExitCode::SUCCESS),
        Some((first, rest)) if first == spinner::ROLE => spinner::spin(rest).map(|()| ExitCode::SUCCESS),
        _ => measure(&asked_for(&arguments)?),
    }
}

/// Those that the arguments name, all if they name none. Cargo adds `--bench`.
fn asked_for(arguments: &[String]) -> Result<Vec<Measurement>> {
    let named: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| MEASUREMENTS.iter().all(|(known, _)| known != *name)) {
        let known = MEASUREMENTS.map(|(name, _)| name).join(", ");
        bail!("there is no measurement {unknown:?}: name some of {known}, or none for all");
    }
    let asked =
        MEASUREMENTS.into_iter().filter(|(name, _)| named.is_empty() || named.iter().any(|n| n == name));
    Ok(asked.collect())
}

fn measure(asked: &[Measurement]) -> Result<ExitCode> {
    if !Lab::required(Lab::wan_available()) {
        return Ok(ExitCode::SUCCESS);
    }
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
