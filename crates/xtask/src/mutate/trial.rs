//! Whether the policy's tests notice a change.

use super::coverage::Coverage;
use super::library::Library;
use super::mutants::Mutant;
use crate::lanes::{Test, programs};
use anyhow::{Context, Result, ensure};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::{Ran, run_within};

/// What came of a change.
pub enum Outcome {
    /// It is not tried.
    Explained,
    NotCompiled,
    SameCode,
    /// By this test program.
    Killed(String),
    TimedOut(String),
    /// No test program runs this line.
    NotRun,
    Survived,
}

/// Test programs that take hours of many attempts, or let threads race for as long as the machine's load decides.
const NOT_HERE: [&str; 2] = ["workloads", "threads"];
/// A changed header may never end a loop.
const LEAST_LIMIT: Duration = Duration::from_secs(10);
const TIMES_AS_LONG: u32 = 5;
/// That limit is on processor time, so that other work on the machine looks like no endless loop. One that waits for
/// itself without an end is ended after so much longer.
const WAITS_AS_LONG: u32 = 12;

struct Program {
    test: Test,
    took: Duration,
    covers: Coverage,
}

/// What the kernel ends a process by whose processor time is over.
const SIGXCPU: i32 = 24;

/// The test programs, and what the unchanged headers are.
pub struct Trial {
    work: PathBuf,
    seed: u64,
    /// The quickest first.
    programs: Vec<Program>,
    /// Its optimized code.
    original: Vec<u8>,
}

impl Trial {
    /// Builds the programs, and sees them pass.
    pub fn new(seed: u64) -> Result<Self> {
        let of = ["-p", "halfopen-policy", "--features", "native-at-run-time", "--lib", "--tests"];
        let mut found = programs(&of).context("building the policy's tests")?;
        found.retain(|program| !NOT_HERE.contains(&program.program.as_str()));
        let work = PathBuf::from("target/mutants").join(std::process::id().to_string());
        let mut trial = Self { work, seed, programs: Vec::new(), original: Vec::new() };
        let library = trial.library(0)?;
        trial.original = library.optimized()?;
        let counting = Library::that_counts(trial.work.join("counting"))?;
        for test in found {
            let ran = trial.run(&counting, &test, 10 * LEAST_LIMIT)?;
            ensure!(
                ran.succeeded(),
                "{} fails without any change:\n{}{}",
                test.name(),
                ran.stdout,
                ran.stderr
            );
            let covers = Coverage::take(counting.directory())?;
            println!("{:6.2} s  {}", ran.wall.as_secs_f64(), test.name());
            trial.programs.push(Program { test, took: ran.wall, covers });
        }
        trial.programs.sort_by_key(|program| program.took);
        Ok(trial)
    }

    /// A library for one worker.
    pub fn library(&self, worker: usize) -> Result<Library> {
        Library::new(self.work.join(worker.to_string()))
    }

    /// Runs the programs until one fails.
    pub fn of(&self, library: &Library, mutant: &Mutant) -> Result<Outcome> {
        if !library.change(mutant)? {
            return Ok(Outcome::NotCompiled);
        }
        let mut is_run = false;
        let may_notice = self.programs.iter().filter(|program| program.covers.may_notice(mutant));
        for Program { test, took, .. } in may_notice {
            is_run = true;
            let ran = self.run(library, test, LEAST_LIMIT.max(*took * TIMES_AS_LONG))?;
            if ran.status.is_none_or(|status| status.signal() == Some(SIGXCPU)) {
                return Ok(Outcome::TimedOut(test.program.clone()));
            }
            if !ran.succeeded() {
                return Ok(Outcome::Killed(test.program.clone()));
            }
        }
        if library.is_same(mutant, &self.original)? {
            return Ok(Outcome::SameCode);
        }
        Ok(if is_run { Outcome::Survived } else { Outcome::NotRun })
    }

    /// Runs all tests of a program, with random draws from the seed, and without looking for the simplest that fails.
    fn run(&self, library: &Library, program: &Test, limit: Duration) -> Result<Ran> {
        let directory = std::path::absolute(library.directory()).context("finding the library")?;
        let mut command = Command::new("prlimit");
        command.arg(format!("--cpu={}", limit.as_secs())).arg(&program.executable).arg("--test-threads=1");
        command.current_dir(&program.directory).env("RUST_BACKTRACE", "0");
        command.env("CARGO_MANIFEST_DIR", &program.directory).env("LD_LIBRARY_PATH", directory);
        command.env("PROPTEST_RNG_SEED", self.seed.to_string()).env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
        run_within(&mut command, limit * WAITS_AS_LONG).with_context(|| format!("running {}", program.name()))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It is this run's own.
        let _ = std::fs::remove_dir_all(Path::new(&self.work));
    }
}
