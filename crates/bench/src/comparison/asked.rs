//! What the command line asks for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use halfopen_bench::peers::{PEERS, Peer, named};
use halfopen_bench::runs::{Run, carry_out};

use crate::comparison::page_load::{Beside, PageLoad};

/// The workloads of `testkit::workload` that peers are compared by.
pub const WORKLOADS: [&str; 12] = [
    "a-live-first",
    "a-shuffled",
    "a-live-last",
    "c-live-first",
    "c-shuffled",
    "c-live-last",
    "d-a-shuffled",
    "d-c-shuffled",
    "e",
    "f",
    "p-15-20",
    "scanner-0-threads",
];
/// What to ask for page loads and for costs by.
const PAGE: &str = "g";
const COST: &str = "cost";
/// Only these are compared by percents, and so have the machine to themselves where times are short.
const BY_PERCENTS: [&str; 2] = ["none", "adaptive"];
/// How often costs are measured for each repetition of the rest: they take seconds, and differ by microseconds.
const COST_ROUNDS: u64 = 2;

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// Only these: workloads by name or by the part of it before a dash, `g`, `cost`.
    #[arg(long)]
    only: Vec<String>,
    /// Only these limiters.
    #[arg(long)]
    limiter: Vec<String>,
    /// So many draws of each.
    #[arg(long, default_value_t = 3)]
    repeat: u64,
    /// The first draw; all limiters get the same ones.
    #[arg(long)]
    seed: Option<u64>,
    /// So many labs at a time; what is compared by percents has the machine to itself.
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// Ends each workload then, in seconds.
    #[arg(long)]
    at_most: Option<u64>,
    /// Writes comparison.md and its pictures into this directory too; only of a whole comparison.
    #[arg(long)]
    document: Option<PathBuf>,
}

/// What to measure.
pub struct Asked {
    pub workloads: Vec<String>,
    pub page: bool,
    pub cost: bool,
    pub limiters: Vec<Peer>,
    pub repeat: u64,
    pub seed: u64,
    pub at_once: usize,
    pub document: Option<PathBuf>,
    at_most: Option<Duration>,
}

/// One measurement with one limiter.
pub struct Job {
    what: What,
    limiter: Peer,
    seed: u64,
    at_most: Option<Duration>,
}

#[derive(Clone)]
enum What {
    Workload(String),
    Page(Beside),
}

/// What it has shown.
pub enum Shown {
    Run(Box<Run>),
    Page(PageLoad),
}

impl Asked {
    pub fn of(arguments: Arguments) -> Result<Self> {
        let whole = arguments.only.is_empty() && arguments.limiter.is_empty() && arguments.at_most.is_none();
        ensure!(
            whole || arguments.document.is_none(),
            "--document is for a whole comparison: leave --only, --limiter and --at-most out"
        );
        let everything = arguments.only.is_empty();
        let mut asked = Self {
            workloads: Vec::new(),
            page: everything || arguments.only.iter().any(|name| name == PAGE),
            cost: everything || arguments.only.iter().any(|name| name == COST),
            limiters: PEERS.to_vec(),
            repeat: arguments.repeat.max(1),
            seed: arguments.seed.unwrap_or_else(|| rand::random::<u32>().into()),
            at_once: arguments.at_once.max(1),
            document: arguments.document,
            at_most: arguments.at_most.map(Duration::from_secs),
        };
        if everything {
            asked.workloads = WORKLOADS.map(str::to_owned).to_vec();
        }
        for name in arguments.only.iter().filter(|name| ![PAGE, COST].contains(&name.as_str())) {
            asked.workloads.extend(workloads(name)?);
        }
        if !arguments.limiter.is_empty() {
            let known = || PEERS.map(|peer| peer.id).join(", ");
            asked.limiters = (arguments.limiter.iter())
                .map(|id| named(id).with_context(|| format!("no limiter {id:?}: there are {}", known())))
                .collect::<Result<_>>()?;
        }
        Ok(asked)
    }

    /// In the order in which they run: by turns of the limiters within each workload of each repetition.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for draw in 0..self.repeat {
            let whats = self.workloads.iter().map(|name| What::Workload(name.clone()));
            let pages = Beside::ALL.into_iter().filter(|_| self.page).map(What::Page);
            for what in whats.chain(pages) {
                for limiter in &self.limiters {
                    let (limiter, seed) = (limiter.clone(), self.seed.wrapping_add(draw));
                    jobs.push(Job { what: what.clone(), limiter, seed, at_most: self.at_most });
                }
            }
        }
        jobs
    }

    pub fn cost_rounds(&self) -> u64 {
        self.repeat * COST_ROUNDS
    }
}

impl Job {
    /// Whether others at work would show in its result.
    pub fn alone(&self) -> bool {
        let short = match &self.what {
            What::Workload(name) => name == "e",
            What::Page(_) => true,
        };
        short && BY_PERCENTS.contains(&self.limiter.id)
    }

    pub fn run(&self) -> Result<Shown> {
        match &self.what {
            What::Workload(name) => {
                let mut workload = testkit::workload::named(name, self.seed)
                    .with_context(|| format!("no workload {name:?}"))?;
                if let Some(at_most) = self.at_most {
                    workload.run_for = workload.run_for.min(at_most);
                }
                Ok(Shown::Run(Box::new(carry_out(&workload, &self.limiter, self.seed)?)))
            }
            What::Page(beside) => Ok(Shown::Page(PageLoad::measure(&self.limiter, *beside, self.seed)?)),
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Workload(name) => write!(f, "{name}")?,
            What::Page(beside) => write!(f, "g, {}", beside.shown())?,
        }
        write!(f, " with {}, seed {}", self.limiter.id, self.seed)
    }
}

impl Shown {
    pub fn line(&self) -> String {
        match self {
            Self::Run(run) => run.line(),
            Self::Page(page) => page.line(),
        }
    }
}

/// `a` is all its orders, `d` all that have an innocent one beside them.
fn workloads(name: &str) -> Result<Vec<String>> {
    let meant: Vec<_> = WORKLOADS
        .iter()
        .filter(|known| **known == name || known.starts_with(&format!("{name}-")))
        .map(ToString::to_string)
        .collect();
    if meant.is_empty() {
        bail!("there is nothing called {name:?}: name some of {}, {PAGE}, {COST}", WORKLOADS.join(", "));
    }
    Ok(meant)
}
