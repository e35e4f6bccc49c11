//! Writes docs/measurements/sasser.md and its pictures: would Sasser have taken longer to spread?
//!
//! `cargo run --release -p halfopen-sim --example sasser_page -- [RUNS [RUNS_OF_SHARES]]`

mod sasser_page {
    pub mod shares;
    pub mod text;
    pub mod variations;
}

use halfopen_picture::Format;
use halfopen_sim::engine::Stop;
use halfopen_sim::report;
use halfopen_sim::scenario::{Scenario, ScenarioError};
use halfopen_sim::study::{EngineKind, Plan, Study};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut counts = std::env::args().skip(1).map(|count| count.parse::<u32>());
    let runs = counts.next().transpose()?.unwrap_or(40);
    let runs_of_shares = counts.next().transpose()?.unwrap_or(1_000);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measurements");
    std::fs::create_dir_all(docs.join("sasser"))?;
    let main = study(&Scenario::named("sasser")?, runs)?;
    std::fs::write(docs.join("sasser/course.svg"), report::courses(&main, &Format::Svg)?)?;
    let shares = sasser_page::shares::by_share(runs_of_shares)?;
    std::fs::write(
        docs.join("sasser/shares.svg"),
        report::slowdowns("Sasser: times slower, by the share of hosts limited", &shares, &Format::Svg)?,
    )?;
    let variations = sasser_page::variations::all(runs.min(10))?;
    let beside = study(&Scenario::named("beside-sasser")?, 1)?;
    let text = sasser_page::text::page(&main, &shares, runs_of_shares, &variations, &beside);
    std::fs::write(docs.join("sasser.md"), text)?;
    Ok(())
}

fn study(scenario: &Scenario, runs: u32) -> Result<Study, ScenarioError> {
    let plan = Plan { engine: EngineKind::Scaled, seed: 1, runs };
    Study::of(scenario, plan, &Stop::default(), &|done, all| {
        eprint!("\r{}: {done} of {all}   ", scenario.name);
    })
}
