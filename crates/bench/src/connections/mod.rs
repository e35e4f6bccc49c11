//! What limits the connections of a tenant, compared: each limiter in labs of its own, with a NAT box between the tenant and
//! the rest. docs/measurements/connections.md says what is measured and shows the result; it is written by
//! `make bench-connections`.
//!
//! `halfopen-bench connections --only churn --limiter nft-ct-count-cgroup`

mod document;
mod measure;
mod measured;
mod programs;
mod table;
mod workload;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use halfopen_bench::peers::{CONNECTION_PEERS, Limits, Peer};
use halfopen_bench::runs::{RunError, work_off};
use serde_json::{Value, json};
use testkit::{LabError, Machine};

use crate::connections::measured::Measured;
use crate::connections::workload::Workload;

/// What to ask for real programs by.
const PROGRAMS: &str = "programs";

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// Only these workloads: flood, burst, churn, programs
    #[arg(long)]
    only: Vec<String>,
    /// Only these limiters
    #[arg(long)]
    limiter: Vec<String>,
    /// What the labs draw by
    #[arg(long)]
    seed: Option<u64>,
    /// How many labs at once; floods have the machine to themselves
    #[arg(long, default_value_t = 3)]
    at_once: usize,
    /// Writes the page connections.md into this directory too
    #[arg(long)]
    document: Option<PathBuf>,
}

/// One workload with one limiter.
struct Job {
    workload: Workload,
    peer: Peer,
    limits: Limits,
    seed: u64,
}

/// What came of a job.
struct Outcome {
    workload: Workload,
    limiter: &'static str,
    /// Else why it was not measured.
    measured: Result<Measured, String>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let named = |asked: &[String], name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let workloads: Vec<_> =
        Workload::ALL.into_iter().filter(|workload| named(&arguments.only, workload.name())).collect();
    let peers: Vec<_> =
        CONNECTION_PEERS.into_iter().filter(|(peer, _)| named(&arguments.limiter, peer.id)).collect();
    let programs = named(&arguments.only, PROGRAMS);
    if workloads.is_empty() && !programs || peers.is_empty() {
        let workloads = Workload::ALL.map(Workload::name).join(", ") + ", " + PROGRAMS;
        let limiters = CONNECTION_PEERS.map(|(peer, _)| peer.id).join(", ");
        bail!("nothing is called so; the workloads are {workloads}, the limiters {limiters}");
    }
    let machine = Machine::look();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let jobs: Vec<_> = (workloads.iter())
        .flat_map(|workload| peers.iter().map(|(peer, limits)| (*workload, peer.clone(), *limits)))
        .map(|(workload, peer, limits)| Job { workload, peer, limits, seed })
        .collect();
    let done = work_off(
        jobs,
        arguments.at_once,
        |job| job.workload == Workload::Flood,
        |job| {
            let measured = measure::measure(job.workload, &job.peer, job.limits, job.seed);
            let measured = measured.map_err(|error| why_not(&error.into()));
            match &measured {
                Ok(measured) => eprintln!("{job}: {}", measured.line()),
                Err(why) => eprintln!("{job} not measured: {why}"),
            }
            measured
        },
    );
    let results: Vec<_> = done
        .into_iter()
        .map(|(job, measured)| Outcome { workload: job.workload, limiter: job.peer.id, measured })
        .collect();
    let made_of = format!("{}; drawn by --seed {seed}", machine.line());
    let limiters: Vec<Peer> = peers.iter().map(|(peer, _)| peer.clone()).collect();
    let run = if programs { programs::run_all(&limiters, arguments.at_once) } else { Vec::new() };
    let page = document::page(&made_of, &limiters, &results, &run);
    let directory = crate::results::directory()?;
    put(&directory.join("connections.md"), &page)?;
    let runs: Vec<_> = results.iter().map(Outcome::to_json).collect();
    let programs: Vec<_> = run.iter().map(programs::to_json).collect();
    let numbers = json!({
        "name": "connections", "machine": machine.to_json(), "seed": seed, "runs": runs, "programs": programs,
    });
    put(&directory.join("connections.json"), &format!("{numbers:#}\n"))?;
    if let Some(directory) = &arguments.document {
        put(&directory.join("connections.md"), &page)?;
    }
    for workload in workloads {
        println!("\n{}\n\n{}", workload.name(), table::of(workload, &results));
    }
    println!("\n{}", programs::table(&run));
    Ok(ExitCode::SUCCESS)
}

impl Outcome {
    fn to_json(&self) -> Value {
        let (measured, why) = match &self.measured {
            Ok(measured) => (measured.to_json(), None),
            Err(why) => (Value::Null, Some(why)),
        };
        json!({
            "workload": self.workload.name(), "limiter": self.limiter, "measured": measured, "not_measured": why,
        })
    }
}

/// What a program that did not start said of its configuration, without the place and what it would know.
fn why_not(error: &anyhow::Error) -> String {
    let why = match error.downcast_ref() {
        Some(RunError::Lab(LabError::NotReady { stderr, .. })) => match stderr.find("unknown key") {
            Some(at) => stderr[at..].split(": ").next().unwrap_or(stderr).to_owned(),
            None => stderr.trim().to_owned(),
        },
        _ => format!("{error:#}"),
    };
    why.replace('\n', " ")
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.workload.name(), self.peer.id)
    }
}
