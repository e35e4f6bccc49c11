//! What limits connections on Linux, compared: each limiter in labs of its own, by the same workloads, by turns.
//! docs/measurements/comparison.md says what is measured and shows the result; it is written by `make bench-peers`.
//!
//! `halfopen-bench peers --only c-shuffled --limiter none --limiter adaptive --repeat 1`

mod aims;
mod asked;
mod cost;
mod document;
mod page_load;
mod picture;
mod results;
mod table;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use halfopen_bench::runs::work_off;
use serde_json::{Value, json};
use testkit::Machine;

pub use crate::comparison::asked::Arguments;

use crate::comparison::aims::Aim;
use crate::comparison::asked::{Asked, Job, Shown};
use crate::comparison::cost::Costs;
use crate::comparison::document::Document;
use crate::comparison::results::Results;

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let asked = Asked::of(arguments)?;
    let machine = Machine::look();
    eprintln!("peers: drawn by --seed {}", asked.seed);
    let results = measure(&asked);
    let aims = Aim::judge(&results);
    let made_of = format!("{}; {} repetitions, drawn by --seed {}", machine.line(), asked.repeat, asked.seed);
    let document = Document { made_of: &made_of, results: &results, aims: &aims };

    let directory = crate::results::directory()?;
    document.write(&directory, "peers")?;
    let numbers = json!({
        "name": "peers", "machine": machine.to_json(), "seed": asked.seed, "repeat": asked.repeat,
        "aims": aims.iter().map(Aim::to_json).collect::<Vec<_>>(),
        "runs": results.runs.iter().map(halfopen_bench::runs::Run::to_json).collect::<Vec<Value>>(),
        "pages": results.pages.iter().map(page_load::PageLoad::to_json).collect::<Vec<Value>>(),
        "costs": results.costs.as_ref().map(Costs::to_json), "failures": results.failures,
    });
    let path = directory.join("peers.json");
    fs::write(&path, format!("{numbers:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    if let Some(directory) = &asked.document {
        document.write(directory, "comparison")?;
    }
    println!("\n{made_of}\n\n{}", Aim::table(&aims));
    println!("All of it: {}", directory.join("peers.md").display());
    for failure in &results.failures {
        println!("{failure}");
    }
    let missed = aims.iter().filter(|aim| aim.missed()).count();
    println!("aims missed: {missed}");
    // A missed aim is a result; a run that failed is none.
    Ok(if results.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(asked: &Asked) -> Results {
    let mut results = Results {
        workloads: asked.workloads.clone(),
        limiters: asked.limiters.clone(),
        runs: Vec::new(),
        pages: Vec::new(),
        costs: None,
        failures: Vec::new(),
    };
    // Before anything else has warmed or loaded the machine.
    if asked.cost {
        let costs = Costs::measure(&asked.limiters, asked.cost_rounds());
        results.failures.extend(costs.failures.iter().cloned());
        results.costs = Some(costs);
    }
    let done = work_off(asked.jobs(), asked.at_once, Job::alone, |job| {
        let result = job.run();
        match &result {
            Ok(shown) => eprintln!("{}", shown.line()),
            Err(error) => eprintln!("{job}: {error:#}"),
        }
        result
    });
    for (job, result) in done {
        match result {
            Ok(Shown::Run(run)) => results.runs.push(*run),
            Ok(Shown::Page(page)) => results.pages.push(page),
            Err(error) => results.failures.push(format!("{job} not measured: {error:#}").replace('\n', " ")),
        }
    }
    results
}
