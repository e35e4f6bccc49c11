//! What limiters do to scanners and to everybody else: the workloads of `testkit::workload` with real programs on the
//! running kernel, each in a lab of its own, without a limiter and with the presets. docs/measurements/benchmarks.md says
//! what the columns mean.
//!
//! `halfopen-bench workloads a c-live-first --limiter none --limiter xp-sp2 --repeat 3`

mod asked;
mod chart;
mod table;

use std::fmt::Write;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use halfopen_bench::runs::{Limiter, Preset, Run, RunError, work_off};
use serde_json::json;
use testkit::{Lab, LabError, Machine};

pub use crate::workloads::asked::Arguments;

use crate::results;
use crate::workloads::asked::{Asked, Job};

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut asked = Asked::of(arguments)?;
    let machine = Machine::look();
    let left_out = leave_out_unknown(&mut asked)?;
    eprintln!("workloads: drawn by --seed {}", asked.seed);
    let (runs, failures) = run_all(&asked);

    let directory = results::directory()?;
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    let mut table = format!("{}; drawn by --seed {}\n\n", machine.line(), asked.seed);
    table.push_str(&table::markdown(&asked, &runs));
    for line in left_out.iter().chain(&failures) {
        let _ = write!(table, "\n{line}\n");
    }
    println!("\n{table}");
    write("workloads.md", &table)?;
    let runs_json: Vec<_> = runs.iter().map(Run::to_json).collect();
    let numbers = json!({
        "name": "workloads", "machine": machine.to_json(), "seed": asked.seed, "runs": runs_json,
        "left_out": left_out, "failures": failures,
    });
    write("workloads.json", &format!("{numbers:#}\n"))?;
    for name in asked.workloads.iter().filter(|name| name.starts_with("c-shuffled")) {
        write(&format!("{name}.svg"), &chart::svg(name, &asked.limiters, &runs))?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Presets that this `halfopen` does not have: an error if they were asked for by name, else left out, with the reason.
fn leave_out_unknown(asked: &mut Asked) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for limiter in std::mem::take(&mut asked.limiters) {
        match try_out(&limiter) {
            Ok(()) => asked.limiters.push(limiter),
            Err(error) if asked.limiters_named => bail!("the limiter {limiter} does not start: {error:#}"),
            Err(error) => left_out.push(format!("{limiter} left out: {}", why_not(&error))),
        }
    }
    Ok(left_out)
}

/// What a program that did not start said, without its command line.
fn why_not(error: &anyhow::Error) -> String {
    let why = match error.downcast_ref() {
        Some(RunError::Lab(LabError::NotReady { stderr, .. })) => stderr.trim().to_owned(),
        _ => format!("{error:#}"),
    };
    why.replace('\n', " ")
}

fn try_out(limiter: &str) -> Result<()> {
    let lab = Lab::new()?;
    Preset(limiter.to_owned()).put_into(&lab)?.take_out(&lab)?;
    Ok(())
}

/// The results in the order of the jobs, and what went wrong.
fn run_all(asked: &Asked) -> (Vec<Run>, Vec<String>) {
    // Those that compare times have the machine to themselves.
    let done = work_off(asked.jobs(), asked.at_once, Job::alone, |job| {
        let result = job.run();
        match &result {
            Ok(run) => eprintln!("{}", run.line()),
            Err(error) => eprintln!("{job}: {error:#}"),
        }
        result
    });
    let (mut runs, mut failures) = (Vec::new(), Vec::new());
    for (job, result) in done {
        match result {
            Ok(run) => runs.push(run),
            Err(error) => failures.push(format!("{job} not measured: {error:#}").replace('\n', " ")),
        }
    }
    (runs, failures)
}
