//! The table: a line for each program and condition, repetitions taken together.

use std::fmt::Write;

use testkit::Spread;

use crate::programs::condition::Condition;
use crate::programs::program::Program;
use crate::programs::run::Run;
use crate::programs::said::Said;

const HEAD: &str = "| condition | time | got | whom it called | error messages | held, longest wait | refused | events and faults | \
                    dead that the scanner reached |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
/// Messages shown of one condition.
const MESSAGES: usize = 2;

/// For all of `programs` that have runs.
pub fn markdown(programs: &[&Program], runs: &[Run]) -> String {
    let mut text = String::new();
    for program in programs {
        let of = |condition| -> Vec<&Run> {
            runs.iter().filter(|run| run.program == program.name && run.condition == condition).collect()
        };
        let _ = write!(text, "### {}\n{}. Got: {}.\n\n{HEAD}", program.name, program.asked, program.unit);
        for condition in Condition::ALL {
            let runs = of(condition);
            if !runs.is_empty() {
                line(&mut text, condition, &runs);
            }
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, condition: Condition, runs: &[&Run]) {
    let said = || runs.iter().filter_map(|run| run.said.as_ref());
    let (of, to_call) = (runs[0].outcome.of, runs[0].called.1);
    let _ = writeln!(
        text,
        "| {} | {} | {} of {of} | {} of {to_call} | {} | {} | {} | {} | {} |",
        condition.shown(),
        time(runs),
        numbers(runs.iter().map(|run| run.outcome.got as u64)),
        numbers(runs.iter().map(|run| run.called.0 as u64)),
        distinct(runs.iter().flat_map(|run| &run.outcome.errors), MESSAGES),
        held(&said().collect::<Vec<_>>()),
        refused(&said().collect::<Vec<_>>()),
        distinct(said().flat_map(|said| &said.events), usize::MAX),
        numbers(runs.iter().filter_map(|run| run.scanned.map(|scanned| scanned as u64))),
    );
}

fn time(runs: &[&Run]) -> String {
    let late = runs.iter().filter(|run| !run.outcome.in_time).count();
    let spread = Spread::of(runs.iter().map(|run| run.outcome.time.as_secs_f64()));
    let shown = match spread.count() {
        1 => format!("{:.2} s", spread.median()),
        _ => format!("{:.2} s ({:.2} to {:.2})", spread.median(), spread.least(), spread.most()),
    };
    match late {
        0 => shown,
        late => format!("{shown}; not done by then: {late} of {}", runs.len()),
    }
}

fn held(said: &[&Said]) -> String {
    if said.is_empty() {
        return "-".to_owned();
    }
    let mut shown = vec![numbers(said.iter().map(|said| said.held))];
    let longest = said.iter().map(|said| said.longest_wait_ms).max().unwrap_or_default();
    if longest > 0 {
        shown.push(format!("{:.2} s", longest as f64 / 1e3));
    }
    let in_vain = numbers(said.iter().map(|said| said.in_vain));
    if in_vain != "0" {
        shown.push(format!("never let out: {in_vain}"));
    }
    shown.join(", ")
}

fn refused(said: &[&Said]) -> String {
    if said.is_empty() {
        return "-".to_owned();
    }
    let connects = numbers(said.iter().map(|said| said.refused));
    match numbers(said.iter().map(|said| said.raw_refused)).as_str() {
        "0" => connects,
        raw => format!("{connects}; raw packets {raw}"),
    }
}

/// Median, and the range where there is one.
fn numbers(values: impl Iterator<Item = u64>) -> String {
    let spread = Spread::of(values.map(|value| value as f64));
    match spread.count() {
        0 => "-".to_owned(),
        _ if spread.most() - spread.least() < 0.5 => format!("{}", spread.median()),
        _ => format!("{} ({} to {})", spread.median(), spread.least(), spread.most()),
    }
}

fn distinct<'a>(messages: impl Iterator<Item = &'a String>, most: usize) -> String {
    let mut messages: Vec<_> = messages.collect();
    messages.sort();
    messages.dedup();
    if messages.is_empty() {
        return "-".to_owned();
    }
    let more = messages.len().saturating_sub(most);
    let mut shown = messages.iter().take(most).map(|text| text.as_str()).collect::<Vec<_>>().join("; ");
    if more > 0 {
        let _ = write!(shown, "; and {more} others");
    }
    shown
}
