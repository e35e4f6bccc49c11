//! What users of real programs see of the limiter: each program in labs of its own, with and without the limiter, and
//! with a scanner beside it. docs/measurements/real-programs.md says what was set up and has the table that this writes.
//!
//! `halfopen-bench programs --repeat 1 curl git`

mod condition;
pub mod program;
pub mod real;
mod run;
mod said;
mod site;
mod table;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use testkit::page::{Page, RESOURCES};
use testkit::{Lab, Machine};

use crate::programs::condition::Condition;
use crate::programs::run::Run;

/// From here on the page is the command's; what stands above is written by hand.
const WRITTEN_BELOW: &str = "<!-- written by make bench-programs from here on -->\n";

/// What the command line says.
#[derive(Args)]
pub struct Arguments {
    /// The programs; all where none is named
    programs: Vec<String>,
    /// How often each is run under each condition
    #[arg(long, default_value_t = 3)]
    repeat: u32,
    /// Where programs.md and programs.json go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// The page that the table is put into
    #[arg(long)]
    page: Option<PathBuf>,
}

/// Runs real programs with and without the limiter, and writes what their users see.
pub fn run(asked: &Arguments) -> Result<ExitCode> {
    let known = real::PROGRAMS;
    if let Some(name) = asked.programs.iter().find(|name| known.iter().all(|program| program.name != **name))
    {
        let names: Vec<_> = known.iter().map(|program| program.name).collect();
        bail!("no program is called {name}; there are {}", names.join(", "));
    }
    check_page()?;
    let machine = Machine::look();
    let of_those = |name: &str| asked.programs.is_empty() || asked.programs.iter().any(|asked| asked == name);
    let programs: Vec<_> = known.iter().filter(|program| of_those(program.name)).collect();
    let (mut runs, mut failures) = (Vec::new(), Vec::new());
    // All conditions of a program follow each other, so that a busy machine is busy for all of them.
    for repetition in 0..asked.repeat {
        for program in &programs {
            for condition in Condition::ALL {
                let result = run::carry_out(program, condition);
                match result {
                    Ok(run) => {
                        eprintln!("{}", run.line());
                        runs.push(run);
                    }
                    Err(error) => {
                        let place = format!("{}, {}, {repetition}", program.name, condition.shown());
                        failures.push(format!("{place}: not measured: {error:#}").replace('\n', " "));
                        eprintln!("{}", failures.last().map_or("", String::as_str));
                    }
                }
            }
        }
    }
    let mut written = format!(
        "{}; runs of each program under each condition: {}\n\n{}",
        machine.line(),
        asked.repeat,
        table::markdown(&programs, &runs)
    );
    for failure in &failures {
        let _ = writeln!(written, "\n{failure}");
    }
    println!("{written}");
    fs::create_dir_all(&asked.out).with_context(|| format!("making {}", asked.out.display()))?;
    put(&asked.out.join("programs.md"), &written)?;
    let runs_json: Vec<_> = runs.iter().map(Run::to_json).collect();
    let numbers =
        json!({ "name": "programs", "machine": machine.to_json(), "runs": runs_json, "failures": failures });
    put(&asked.out.join("programs.json"), &format!("{numbers:#}\n"))?;
    if let Some(page) = &asked.page {
        let text = fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
        let (by_hand, _) = text
            .split_once(WRITTEN_BELOW)
            .with_context(|| format!("{} has no line `{}`", page.display(), WRITTEN_BELOW.trim()))?;
        put(page, &format!("{by_hand}{WRITTEN_BELOW}\n{written}"))?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A page that does not come whole without a limiter says nothing about one.
fn check_page() -> Result<()> {
    let lab = Lab::new()?;
    let loaded = Page::serve(&lab)?.load(&lab, lab.cgroup(), condition::LIMIT)?;
    ensure!(
        loaded.resources == RESOURCES && loaded.load.is_some(),
        "without a limiter only {} of {RESOURCES} resources of the page came; the browser said:\n{}",
        loaded.resources,
        loaded.said
    );
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
