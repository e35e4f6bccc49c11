//! Real programs in the limited cgroup: what their users see.

use std::fmt::Write;
use std::thread::ScopedJoinHandle;

use anyhow::{Context, Result};
use halfopen_bench::peers::{CONNECTION_PEERS, Peer, TENANT};
use halfopen_bench::runs::{Limiter, work_off};
use serde_json::{Value, json};
use testkit::Lab;

use crate::connections::why_not;
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::real::{AT_ONCE, CONNECTING};

/// One program with one limiter.
pub struct Run {
    program: &'static Program,
    /// Whether the others that can were at work in the same cgroup.
    together: bool,
    limiter: &'static str,
    /// Else why there is none.
    outcome: Result<Outcome, String>,
}

/// Runs each program alone with each of these limiters, then those that can all at once in the one cgroup.
pub fn run_all(limiters: &[Peer], at_once: usize) -> Vec<Run> {
    let alone = CONNECTING.iter().map(std::slice::from_ref);
    let sets: Vec<_> = alone.chain([&CONNECTING[..AT_ONCE]]).collect();
    let jobs: Vec<_> = sets.iter().flat_map(|set| limiters.iter().map(move |peer| (*set, peer))).collect();
    let done = work_off(jobs, at_once, |(set, _)| set.len() > 1, |(set, peer)| carry_out(set, peer));
    let runs = done.into_iter().flat_map(|((set, peer), outcomes)| {
        let outcomes = outcomes.unwrap_or_else(|error| set.iter().map(|_| Err(why_not(&error))).collect());
        (set.iter().zip(outcomes)).map(move |(program, outcome)| Run {
            program,
            together: set.len() > 1,
            limiter: peer.id,
            outcome,
        })
    });
    runs.inspect(|run| eprintln!("{} with {}: {}", run.program.name, run.limiter, run.shown())).collect()
}

/// Runs these at once.
fn carry_out(programs: &[Program], peer: &Peer) -> Result<Vec<Result<Outcome, String>>> {
    let lab = Lab::builder().quiet().nat().build()?;
    let tenant = lab.cgroup().child(TENANT)?;
    let prepare = |program: &Program| (program.prepare)(&lab).context("making what it talks to");
    let tasks = programs.iter().map(prepare).collect::<Result<Vec<Task>>>()?;
    let in_force = peer.put_into(&lab)?;
    let outcomes = std::thread::scope(|scope| {
        let tenant = &tenant;
        let running: Vec<_> = tasks.into_iter().map(|task| scope.spawn(move || (task.go)(tenant))).collect();
        let outcome = |run: ScopedJoinHandle<Result<Outcome>>| match run.join() {
            Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        running.into_iter().map(outcome).collect()
    });
    in_force.take_out(&lab)?;
    Ok(outcomes)
}

impl Run {
    fn shown(&self) -> String {
        match &self.outcome {
            Ok(outcome) => line(outcome),
            Err(why) => format!("not run: {}", why.replace('|', "/")),
        }
    }
}

fn line(outcome: &Outcome) -> String {
    let Outcome { time, got, of, in_time, errors } = outcome;
    let of = if *of == 0 { String::new() } else { format!(" of {of}") };
    let late = if *in_time { "" } else { ", not done by then" };
    let errors = if errors.is_empty() { String::new() } else { format!("; {}", errors.join("; ")) };
    format!("{got}{of} in {:.2} s{late}{errors}", time.as_secs_f64())
}

/// What each program's user sees.
pub fn table(runs: &[Run]) -> String {
    let mut text = String::new();
    for program in CONNECTING {
        let _ = write!(
            text,
            "#### {}\n{}. Got: {}.\n\n| limiter | alone | with the others |\n| --- | --- | --- |\n",
            program.name, program.asked, program.unit
        );
        for (peer, _) in CONNECTION_PEERS {
            let shown = [false, true].map(|together| {
                let run = runs.iter().find(|run| {
                    run.program.name == program.name && run.limiter == peer.id && run.together == together
                });
                run.map_or("-".to_owned(), Run::shown)
            });
            let _ = writeln!(text, "| {} | {} |", peer.id, shown.join(" | "));
        }
        text.push('\n');
    }
    text
}

pub fn to_json(run: &Run) -> Value {
    let outcome = run.outcome.as_ref().ok();
    json!({
        "program": run.program.name, "together": run.together, "limiter": run.limiter, "not_run": run.outcome.as_ref().err(),
        "got": outcome.map(|outcome| outcome.got), "of": outcome.map(|outcome| outcome.of),
        "time_s": outcome.map(|outcome| outcome.time.as_secs_f64()), "errors": outcome.map(|outcome| &outcome.errors),
        "in_time": outcome.map(|outcome| outcome.in_time),
    })
}
