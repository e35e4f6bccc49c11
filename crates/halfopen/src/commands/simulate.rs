//! `simulate`: what limits do to an outbreak.

use super::interrupt::at_ctrl_c;
use super::pictures::Pictures;
use crate::cli::Simulate;
use crate::config::{Preset, Resolved, Sources};
use crate::exit::{self, WrongUse, explained};
use crate::name_service::finding_users_here;
use crate::output;
use anyhow::{Context, Result};
use halfopen_policy::Mode;
use halfopen_sim::engine::Stop;
use halfopen_sim::limiter::Limiter;
use halfopen_sim::report;
use halfopen_sim::scenario::{Scenario, ScenarioError, about_all, built_in_limiter};
use halfopen_sim::study::{Plan, Study};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::Arc;

/// Runs a scenario and prints what comes of it. Returns [`exit::FAILED`] if it was stopped.
pub fn simulate(asked: &Simulate) -> Result<u8> {
    let Some(name) = &asked.scenario else {
        for (name, about) in about_all() {
            output::line(&format!("{name:15} {about}"))?;
        }
        return Ok(0);
    };
    let scenario = Scenario::find(name, &limiter).map_err(|error| match error {
        ScenarioError::Unknown(..) => anyhow::Error::from(WrongUse(error.to_string())),
        _ => error.into(),
    })?;
    let plan = Plan { engine: asked.engine.into(), seed: asked.seed, runs: asked.runs };
    let pictures = Pictures::asked(&asked.pictures)?;
    let stop = Arc::new(Stop::default());
    let stopped = Arc::clone(&stop);
    // No run goes on, and what is done is printed.
    at_ctrl_c(move || stopped.now())?;
    let study =
        with_threads(asked.threads, || with_progress(|done| Study::of(&scenario, plan, &stop, done)))??;
    pictures.write(|format| report::courses(&study, format))?;
    if asked.json {
        output::line(&serde_json::to_string(&study)?)?;
    } else if asked.csv {
        output::line(report::csv(&study).trim_end())?;
    } else {
        output::line(report::table(&study).trim_end())?;
    }
    Ok(if study.stopped { exit::FAILED } else { 0 })
}

/// A built-in limiter, a preset by its name, or the configuration in a file that ends in `.toml`. It is enforced, whatever
/// its mode.
fn limiter(name: &str, directory: &Path) -> Result<Limiter, String> {
    let resolved = if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        let sources = Sources::new(Some(directory.join(name)), &[]);
        let loaded = sources.and_then(|sources| finding_users_here(|| sources.load()));
        loaded.map_err(|error| explained(&error.into()))?
    } else {
        match Preset::named(name) {
            Some(preset) if Limiter::named(name).is_none() => Resolved::of_preset(preset),
            _ => return built_in_limiter(name, directory),
        }
    };
    let settings = resolved.settings();
    Ok(Limiter {
        name: "file",
        mode: Mode::Enforce,
        host: settings.host,
        own: settings.scopes.first().map(|rule| rule.limits),
        wakes: settings.wakeups,
    })
}

fn with_threads<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    Ok(pool.context("cannot start threads for the runs")?.install(work))
}

/// Shows how far it is, if standard error is a terminal.
fn with_progress<T>(work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> T) -> T {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} runs, {eta} left") {
        bar.set_style(style);
    }
    let done = work(&|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    done
}
