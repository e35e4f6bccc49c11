//! The table: a line for each workload, limiter and kind of live dials; several draws are taken together.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use halfopen_bench::runs::{Group, NONE, Run, Who};
use testkit::Spread;

use crate::workloads::asked::Asked;

const HEAD: &str = "| workload | limiter | draws | distinct dead reached | SYNs | who dials live ones | connected | \
                    failed | still waiting | median wait | longest wait | |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

pub fn markdown(asked: &Asked, runs: &[Run]) -> String {
    let mut table = HEAD.to_owned();
    for workload in &asked.workloads {
        let of = |limiter: &str| -> Vec<&Run> {
            runs.iter().filter(|run| run.workload == *workload && run.limiter == limiter).collect()
        };
        let none = of(NONE);
        for limiter in &asked.limiters {
            let draws = of(limiter);
            if !draws.is_empty() {
                lines(&mut table, &draws, if limiter == NONE { &[] } else { &none });
            }
        }
    }
    table
}

fn lines(table: &mut String, draws: &[&Run], none: &[&Run]) {
    let (workload, limiter) = (&draws[0].workload, &draws[0].limiter);
    let mut head = format!(
        "| {workload} | {limiter} | {} | {} | {} |",
        draws.len(),
        numbers(draws.iter().map(|run| run.dead_reached)),
        numbers(draws.iter().map(|run| run.syns)),
    );
    let mut rest = common_notes(draws);
    let who: BTreeSet<Who> = draws.iter().flat_map(|run| run.groups.keys().copied()).collect();
    for who in &who {
        let groups = of(draws, *who);
        let waits = waits(&groups);
        let sum = |pick: fn(&Group) -> usize| groups.iter().map(|group| pick(group)).sum::<usize>();
        let mut notes = live_notes(workload, &groups, &of(none, *who));
        notes.append(&mut rest);
        let _ = writeln!(
            table,
            "{head} {} | {} of {} | {} | {} | {} | {} | {} |",
            who.shown(),
            sum(|group| group.waits.len()),
            sum(|group| group.begun),
            sum(|group| group.failed),
            sum(Group::waiting),
            shown_ms(waits.median()),
            shown_ms(waits.most()),
            notes.join("; ")
        );
        "| | | | | |".clone_into(&mut head);
    }
    if who.is_empty() {
        let _ = writeln!(table, "{head} - | | | | | | {} |", rest.join("; "));
    }
}

fn of<'a>(runs: &[&'a Run], who: Who) -> Vec<&'a Group> {
    runs.iter().filter_map(|run| run.groups.get(&who)).collect()
}

fn waits(groups: &[&Group]) -> Spread {
    Group::waits_ms(groups.iter().flat_map(|group| group.waits.iter().copied()))
}

/// What concerns the whole run.
fn common_notes(draws: &[&Run]) -> Vec<String> {
    let mut notes: Vec<_> = draws.iter().flat_map(|run| run.faults.iter().cloned()).collect();
    if let Some(ended) = draws.iter().filter_map(|run| run.list_ended).max() {
        notes.push(format!("the whole list was done after {:.1} s", ended.as_secs_f64()));
    }
    for run in draws.iter().filter(|run| !run.up_in_rounds.is_empty()) {
        notes.push(format!("up in rounds {:?}", run.up_in_rounds));
    }
    if let Some(wanted) = draws.iter().find_map(|run| run.peers).map(|peers| peers.wanted) {
        let had = draws.iter().filter_map(|run| run.peers?.had_at).map(|at| at.as_secs_f64());
        let times = Spread::of(had.clone());
        let after =
            if times.count() > 0 { format!(", after {:.1} s", times.median()) } else { String::new() };
        notes.push(format!("{wanted} peers in {} of {}{after}", times.count(), draws.len()));
    }
    notes
}

/// What the issue asks of some workloads: d is compared by the median, e and f by the time until all, or nearly all,
/// are connected.
fn live_notes(workload: &str, groups: &[&Group], none: &[&Group]) -> Vec<String> {
    let mut notes = Vec::new();
    if workload.starts_with("d-") && !none.is_empty() {
        let waits = waits(groups);
        if waits.count() > 0 {
            let more = waits.median() - self::waits(none).median();
            notes.push(format!("median {more:+.2} ms against {NONE}"));
        }
    }
    if ["e", "f"].contains(&workload) {
        for (share, what) in [(0.99, "99 %"), (1.0, "all")] {
            let by = |groups: &[&Group]| -> Option<f64> {
                let times = groups.iter().map(|group| group.connected_by(share));
                let times: Option<Vec<Duration>> = times.collect();
                times.map(|times| Spread::of(times.iter().map(Duration::as_secs_f64)).median())
            };
            match (by(groups), by(none)) {
                (Some(time), Some(usual)) if !none.is_empty() => {
                    notes.push(format!("{what} after {time:.3} s, {:.2} of {NONE}'s", time / usual));
                }
                (Some(time), _) => notes.push(format!("{what} after {time:.3} s")),
                (None, _) => notes.push(format!("{what}: never")),
            }
        }
    }
    notes
}

fn numbers(values: impl Iterator<Item = usize>) -> String {
    let spread = Spread::of(values.map(|value| value as f64));
    match spread.count() {
        1 => format!("{}", spread.median()),
        _ => format!("{} ({} to {})", spread.median(), spread.least(), spread.most()),
    }
}

fn shown_ms(ms: f64) -> String {
    if ms.is_nan() {
        "-".to_owned()
    } else if ms < 1_000.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{:.2} s", ms / 1e3)
    }
}
