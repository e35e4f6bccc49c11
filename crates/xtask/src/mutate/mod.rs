//! Tests of the tests: small changes of the headers that decide, one at a time. A test of the policy must fail for
//! each, or `crates/halfopen-policy/mutants.toml` says why none can.

mod coverage;
mod explained;
mod library;
mod mutants;
mod tokens;
mod trial;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use explained::{EXPLAINED, Explanation};
use library::{HEADERS, Library};
use mutants::{Mutant, of_header};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;
use trial::{Outcome, Trial};

/// What is changed.
#[derive(Subcommand)]
pub enum What {
    /// The headers of the kernel part that the policy's tests compile for this machine
    Headers(Arguments),
}

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// Try every change
    #[arg(long, conflicts_with = "sample", required_unless_present = "sample")]
    all: bool,
    /// Try this many of them
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Which sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only changes of this header
    #[arg(long, value_name = "NAME")]
    file: Vec<String>,
    /// So many at a time
    #[arg(long, default_value_t = 2)]
    at_once: usize,
}

/// Tries the changes. The last line says how many were noticed.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mutants = all_mutants()?;
    let explained = Explanation::all()?;
    if let Some(stale) =
        explained.iter().find(|explanation| !mutants.iter().any(|one| explanation.explains(one)))
    {
        println!("{EXPLAINED} explains no change that there is: {stale:?}");
        return Ok(ExitCode::FAILURE);
    }
    let mutants = chosen(mutants, arguments)?;
    let trial = Trial::new(arguments.seed)?;
    let began = Instant::now();
    let (of, queue, done) = (mutants.len(), Mutex::new(mutants.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| -> Result<()> {
        let (trial, queue, done, explained) = (&trial, &queue, &done, &explained);
        let workers: Vec<_> = (0..arguments.at_once.max(1))
            .map(|number| {
                scope.spawn(move || -> Result<()> {
                    let library = trial.library(number)?;
                    let next = || lock(queue).next();
                    while let Some(mutant) = next() {
                        let is_explained = explained.iter().any(|explanation| explanation.explains(&mutant));
                        let outcome =
                            if is_explained { Outcome::Explained } else { trial.of(&library, &mutant)? };
                        let mut done = lock(done);
                        println!("{:5} of {of}  {}", done.len() + 1, told(&mutant, &outcome));
                        done.push((mutant, outcome));
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker panics only where a test would"))
    })?;
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(sum_up(&done, began.elapsed().as_secs_f64()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn all_mutants() -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for header in Library::headers()? {
        let path = Path::new(HEADERS).join(&header);
        let source = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        mutants.extend(of_header(&header, &source));
    }
    Ok(mutants)
}

/// Which change is in a sample depends on the change and the seed alone, so that another line changes no sample.
fn chosen(mut mutants: Vec<Mutant>, arguments: &Arguments) -> Result<Vec<Mutant>> {
    mutants.retain(|mutant| arguments.file.is_empty() || arguments.file.contains(&mutant.file));
    ensure!(!mutants.is_empty(), "no such header decides: {}", arguments.file.join(", "));
    let Some(sample) = arguments.sample else { return Ok(mutants) };
    mutants.sort_by_cached_key(|mutant| {
        let mut hasher = DefaultHasher::new();
        (arguments.seed, &mutant.file, &mutant.within, &mutant.was, &mutant.becomes).hash(&mut hasher);
        hasher.finish()
    });
    mutants.truncate(sample);
    Ok(mutants)
}

fn told(mutant: &Mutant, outcome: &Outcome) -> String {
    let Mutant { file, within, line, was, becomes, .. } = mutant;
    let word = match outcome {
        Outcome::NotCompiled => "not compiled".to_owned(),
        Outcome::SameCode => "same code".to_owned(),
        Outcome::Killed(program) => format!("killed by {program}"),
        Outcome::TimedOut(program) => format!("{program} timed out"),
        Outcome::Explained => "explained".to_owned(),
        Outcome::NotRun => "SURVIVED, run by no test".to_owned(),
        Outcome::Survived => "SURVIVED".to_owned(),
    };
    format!("{word}: {file}:{line} {within}\n        was     {was}\n        becomes {becomes}")
}

fn sum_up(done: &[(Mutant, Outcome)], seconds: f64) -> ExitCode {
    let mut counts: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut unexplained = 0;
    for (mutant, outcome) in done {
        let column = match outcome {
            Outcome::NotCompiled => 0,
            Outcome::SameCode => 1,
            Outcome::Killed(_) | Outcome::TimedOut(_) => 2,
            Outcome::Explained => 3,
            Outcome::Survived | Outcome::NotRun => 4,
        };
        counts.entry(&mutant.file).or_default()[column] += 1;
        if column == 4 {
            unexplained += 1;
            println!("{}", told(mutant, outcome));
        }
    }
    println!("| header | changes | not compiled | same code | killed | explained | not explained |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let row = |name: &str, [not, same, killed, explained, survived]: [usize; 5]| {
        let all = not + same + killed + explained + survived;
        println!("| {name} | {all} | {not} | {same} | {killed} | {explained} | {survived} |");
    };
    let mut all = [0; 5];
    for (name, count) in &counts {
        row(name, *count);
        all.iter_mut().zip(count).for_each(|(sum, count)| *sum += count);
    }
    row("all", all);
    println!(
        "{} changes in {seconds:.0} s, {:.2} s each; {unexplained} survive without an explanation in {EXPLAINED}",
        done.len(),
        seconds / done.len().max(1) as f64
    );
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
