//! What the command line asks for.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use halfopen_bench::runs::{NONE, Preset, Run, carry_out};
use testkit::workload::{NAMES, PEERS, SCANS, named};

const LIMITERS: [&str; 5] = [NONE, "xp-sp2", "vista-home", "virus-throttle", "adaptive"];
/// How often a workload is drawn unless told.
const DRAWS: u64 = 1;
/// The same where chance decides and the curve is what counts.
const DRAWS_OF_A_CURVE: u64 = 3;
/// It shows nothing in less than ten minutes.
const ONLY_IF_NAMED: &str = "j";

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// Workloads by name or by the part of it before a dash
    workloads: Vec<String>,
    /// Only these limiters: `none` or a preset
    #[arg(long)]
    limiter: Vec<String>,
    /// So many draws of each
    #[arg(long)]
    repeat: Option<u64>,
    /// The first draw; all limiters get the same ones
    #[arg(long)]
    seed: Option<u64>,
    /// So many labs at a time; what compares times has the machine to itself
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Ends each workload then, in seconds
    #[arg(long)]
    at_most: Option<u64>,
}

/// What to run.
pub struct Asked {
    pub workloads: Vec<String>,
    pub limiters: Vec<String>,
    /// Whether the limiters are the command line's own choice.
    pub limiters_named: bool,
    pub repeat: Option<u64>,
    pub seed: u64,
    pub at_once: usize,
    pub at_most: Option<Duration>,
}

/// One workload of one draw with one limiter.
pub struct Job {
    workload: String,
    limiter: String,
    seed: u64,
    at_most: Option<Duration>,
}

impl Asked {
    /// All workloads and limiters where none is named.
    pub fn of(arguments: Arguments) -> Result<Self> {
        let mut asked = Self {
            workloads: Vec::new(),
            limiters_named: !arguments.limiter.is_empty(),
            limiters: arguments.limiter,
            repeat: arguments.repeat,
            seed: arguments.seed.unwrap_or_else(|| rand::random::<u32>().into()),
            at_once: arguments.at_once.max(1),
            at_most: arguments.at_most.map(Duration::from_secs),
        };
        for name in &arguments.workloads {
            asked.workloads.extend(workloads(name)?);
        }
        if asked.workloads.is_empty() {
            asked.workloads =
                NAMES.iter().filter(|name| **name != ONLY_IF_NAMED).map(ToString::to_string).collect();
        }
        if !asked.limiters_named {
            asked.limiters = LIMITERS.map(str::to_owned).to_vec();
        }
        Ok(asked)
    }

    /// In the order of the table. All limiters get the same draws.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for workload in &self.workloads {
            let usual = if workload == "c-shuffled" { DRAWS_OF_A_CURVE } else { DRAWS };
            for limiter in &self.limiters {
                for draw in 0..self.repeat.unwrap_or(usual) {
                    jobs.push(Job {
                        workload: workload.clone(),
                        limiter: limiter.clone(),
                        seed: self.seed.wrapping_add(draw),
                        at_most: self.at_most,
                    });
                }
            }
        }
        jobs
    }
}

impl Job {
    /// Whether others at work would show in its result.
    pub fn alone(&self) -> bool {
        ["e", "f"].contains(&self.workload.as_str())
    }

    pub fn run(&self) -> Result<Run> {
        let mut workload = named(&self.workload, self.seed).context("no such workload")?;
        if let Some(at_most) = self.at_most {
            workload.run_for = workload.run_for.min(at_most);
        }
        Ok(carry_out(&workload, &Preset(self.limiter.clone()), self.seed)?)
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}, seed {}", self.workload, self.limiter, self.seed)
    }
}

/// `a` is all its orders, `d` all that have an innocent one beside them.
fn workloads(name: &str) -> Result<Vec<String>> {
    if named(name, 0).is_some() {
        return Ok(vec![name.to_owned()]);
    }
    let known = || NAMES.into_iter().chain(PEERS).chain(SCANS);
    let all: Vec<_> = known().filter(|known| known.starts_with(&format!("{name}-"))).collect();
    ensure!(
        !all.is_empty(),
        "there is no workload {name:?}: name some of {}, or none for all",
        known().collect::<Vec<_>>().join(", ")
    );
    Ok(all.into_iter().map(ToString::to_string).collect())
}
