//! The tables: a line for each limiter and for each of those who dial live hosts. Repetitions are shown by their median
//! and range.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use halfopen_bench::runs::{Group, Run, Who};
use testkit::Spread;

use crate::comparison::page_load::Beside;
use crate::comparison::results::Results;

const HEAD: &str = "| limiter | distinct dead reached | SYNs on the wire | who dials live ones | live connected | median \
                    wait | longest wait | median wait of all dialled | what the programs saw |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// Of one workload.
pub fn workload(results: &Results, workload: &str) -> String {
    let mut table = HEAD.to_owned();
    for limiter in &results.limiters {
        let runs = results.runs_of(workload, limiter.id);
        if runs.is_empty() {
            let _ = writeln!(table, "| {} | not measured | | | | | | | |", limiter.id);
        } else {
            lines(&mut table, &runs);
        }
    }
    table
}

fn lines(table: &mut String, runs: &[&Run]) {
    let mut head = format!(
        "| {} | {} | {} |",
        runs[0].limiter,
        count(runs.iter().map(|run| run.dead_reached)),
        count(runs.iter().map(|run| run.syns)),
    );
    let mut saw = saw(runs);
    let faults: BTreeSet<_> = runs.iter().flat_map(|run| run.faults.iter().cloned()).collect();
    for fault in faults {
        let _ = write!(saw, "; {fault}");
    }
    let who: BTreeSet<Who> = runs.iter().flat_map(|run| run.groups.keys().copied()).collect();
    if who.is_empty() {
        let _ = writeln!(table, "{head} - | | | | | {saw} |");
    }
    for who in who {
        let groups: Vec<&Group> = runs.iter().filter_map(|run| run.groups.get(&who)).collect();
        let begun = groups.iter().map(|group| group.begun).max().unwrap_or_default();
        let medians = groups.iter().filter(|group| !group.waits.is_empty());
        let medians = medians.map(|group| Group::waits_ms(group.waits.iter().copied()).median() / 1e3);
        let all = groups.iter().flat_map(|group| &group.waits).map(Duration::as_secs_f64);
        let _ = writeln!(
            table,
            "{head} {} | {} of {begun} | {} | {} | {} | {saw} |",
            who.shown(),
            count(groups.iter().map(|group| group.waits.len())),
            seconds(&Spread::of(medians)),
            one(Spread::of(all).most()),
            seconds(&Spread::of(groups.iter().map(|group| group.median_wait_of_all()))),
        );
        "| | | |".clone_into(&mut head);
        saw.clear();
    }
}

/// Of all runs together.
fn saw(runs: &[&Run]) -> String {
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, count) in runs.iter().flat_map(|run| &run.saw.ended) {
        *ended.entry(name).or_default() += count;
    }
    let waiting: usize = runs.iter().map(|run| run.saw.waiting).sum();
    let mut shown: Vec<_> = ended.iter().map(|(name, count)| format!("{name} {count}")).collect();
    shown.push(format!("still waiting {waiting}"));
    shown.join(", ")
}

/// Page loads and costs, which are the same for all workloads.
pub fn page_and_cost(results: &Results) -> String {
    let mut table = "| limiter |".to_owned();
    for beside in Beside::ALL {
        let _ = write!(table, " page load, {} | dead reached meanwhile |", beside.shown());
    }
    table.push_str(" processor time per admitted SYN | of a whole connection |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for limiter in &results.limiters {
        let _ = write!(table, "| {} |", limiter.id);
        for beside in Beside::ALL {
            let pages: Vec<_> = results.pages_of(limiter.id, beside).collect();
            let loads = Spread::of(pages.iter().map(|page| page.seconds()));
            let dead = count(pages.iter().map(|page| page.dead_reached));
            let _ = write!(table, " {} | {dead} |", seconds(&loads));
        }
        let costs = results.costs.as_ref().map(|costs| (costs.of(limiter.id), costs.whole(limiter.id)));
        let _ = match costs {
            Some((more, whole)) => writeln!(table, " {} | {} |", microseconds(&more), microseconds(&whole)),
            None => writeln!(table, " - | - |"),
        };
    }
    table
}

fn count(values: impl Iterator<Item = usize>) -> String {
    let spread = Spread::of(values.map(|value| value as f64));
    ranged(&spread, |value| format!("{value}"))
}

fn seconds(spread: &Spread) -> String {
    ranged(spread, one)
}

fn microseconds(spread: &Spread) -> String {
    ranged(spread, |value| format!("{value:.1} us"))
}

fn ranged(spread: &Spread, shown: impl Fn(f64) -> String) -> String {
    let [median, least, most] = [spread.median(), spread.least(), spread.most()].map(shown);
    match spread.count() {
        0 => "-".to_owned(),
        _ if least == most => median,
        _ => format!("{median} ({least} to {most})"),
    }
}

fn one(seconds: f64) -> String {
    if seconds.is_nan() {
        "-".to_owned()
    } else if seconds.is_infinite() {
        "never".to_owned()
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}
