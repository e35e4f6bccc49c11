//! The lanes of tests. Most tests wait for the kernel's timers, so more of them run at a time than there are
//! processors; cargo's own harness would run one test program after the other.

mod found;
mod pool;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use found::find;
pub use found::{Test, programs};
use pool::{Outcome, run_all};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// Which tests
    lane: Lane,
    /// Only those whose name has one of these in it
    names: Vec<String>,
    /// So many at a time
    #[arg(long, default_value_t = 5)]
    at_once: usize,
    /// Build them, write them to this file and run none
    #[arg(long)]
    write_list: Option<PathBuf>,
    /// Run those of such a file, and build nothing
    #[arg(long, conflicts_with = "write_list")]
    listed: Option<PathBuf>,
}

/// Which tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// All that decides, and one test of each kind on the running kernel: some five minutes
    Quick,
    /// The others: attacks, faults, refusals, budgets, soak, stubs, whole workloads
    Long,
    /// What another kernel may change: those of the quick lane that run the program, and the attacks
    Kernel,
    /// The quick and the long one
    All,
}

/// The test programs of the long lane.
const LONG: [&str; 31] = [
    "accounts",
    "attacks",
    "budget",
    "connection_peers",
    "connections_soak",
    "conntrack",
    "containers",
    "dashboard_browser",
    "documents",
    "endings",
    "faults",
    "grafana_types",
    "live_changes_let_go",
    "names_by_stubs",
    "never_hold",
    "odd_names",
    "page",
    "persist_ends",
    "podman_names",
    "record",
    "refusals",
    "refusals_beside_others",
    "refusals_doctor",
    "replay_beside_tshark",
    "schemathesis",
    "side_effects",
    "simulated",
    "wakeups",
    "ways_out",
    "ways_out_soak",
    "workloads",
];

impl Lane {
    fn has(self, test: &Test) -> bool {
        let is_long = LONG.contains(&test.program.as_str());
        let runs_halfopen = test.package == "halfopen" && test.function.is_some();
        match self {
            Self::Quick => !is_long,
            Self::Long => is_long,
            Self::Kernel => runs_halfopen && (!is_long || test.program == "attacks"),
            Self::All => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Long => "long",
            Self::Kernel => "kernel",
            Self::All => "both lanes",
        }
    }
}

/// Runs the tests of a lane. The last line says what passed, failed and was skipped.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let tests = match &arguments.listed {
        Some(file) => read_list(file).with_context(|| format!("reading the tests in {}", file.display()))?,
        None => find().context("building and listing the tests")?,
    };
    let asked = |test: &Test| {
        arguments.lane.has(test)
            && (arguments.names.is_empty() || arguments.names.iter().any(|name| test.name().contains(name)))
    };
    let tests: Vec<Test> = tests.into_iter().filter(asked).collect();
    if let Some(file) = &arguments.write_list {
        let list = serde_json::to_vec(&tests)?;
        fs::write(file, list).with_context(|| format!("writing the tests to {}", file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let skips = std::env::temp_dir().join(format!("halfopen-skips-{}", std::process::id()));
    fs::write(&skips, "").with_context(|| format!("making {}", skips.display()))?;
    let began = Instant::now();
    let done = run_all(tests, arguments.at_once.max(1), &skips);
    let skipped: BTreeSet<String> =
        fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned).collect();
    // It is this run's own.
    let _ = fs::remove_file(&skips);
    let failed: Vec<&(Test, Outcome)> = done.iter().filter(|(_, outcome)| !outcome.passed).collect();
    for (test, outcome) in &failed {
        println!(
            "\n---- {} failed after {:.1} s ----\n{}",
            test.name(),
            outcome.took.as_secs_f64(),
            outcome.said
        );
    }
    println!("\nslowest:");
    let mut by_time: Vec<_> = done.iter().map(|(test, outcome)| (outcome.took, test.name())).collect();
    by_time.sort_unstable();
    by_time.iter().rev().take(10).for_each(|(took, name)| println!("  {:6.1} s  {name}", took.as_secs_f64()));
    for line in &skipped {
        println!("{line}");
    }
    for (test, _) in &failed {
        println!("failed: {}", test.name());
    }
    let count = |of: fn(&Outcome) -> u32| done.iter().map(|(_, outcome)| of(outcome)).sum::<u32>();
    println!(
        "{}: {} passed, {} failed, {} skipped, {} ignored, in {}",
        arguments.lane.name(),
        count(|outcome| outcome.tests_passed).saturating_sub(skipped.len() as u32),
        count(|outcome| outcome.tests_failed),
        skipped.len(),
        count(|outcome| outcome.tests_ignored),
        minutes(began.elapsed())
    );
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_list(file: &Path) -> Result<Vec<Test>> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn minutes(time: Duration) -> String {
    format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
}
