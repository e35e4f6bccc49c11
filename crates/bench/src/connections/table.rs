//! A table for each workload, with a line for each limiter.

use std::fmt::Write;

use crate::connections::Outcome;
use crate::connections::measured::{Dials, Measured};
use crate::connections::workload::{BURST, CHURN_ROUNDS, Workload};

type Column = (&'static str, fn(&Measured) -> String);

const CONNECTED: Column = ("connected", |measured| measured.dials.connected.to_string());
const FAILED: Column = ("failed", |measured| measured.dials.failed.to_string());
const MEDIAN: Column = ("median wait", |measured| ms(measured.dials.waits().median()));
const LONGEST: Column = ("longest wait", |measured| ms(measured.dials.waits().most()));
const IN_A_SECOND: Column =
    ("most new ones in a second, at the far end", |measured| measured.most_in_a_second.to_string());
const OPEN: Column = ("most open at once, at the far end", |measured| measured.most_open.to_string());
const ENTRIES: Column = ("entries in the NAT box", |measured| measured.entries.to_string());
const BESIDE: Column = ("the other tenant", |measured| beside(&measured.beside));

fn columns(workload: Workload) -> Vec<Column> {
    match workload {
        Workload::Flood => {
            vec![CONNECTED, FAILED, MEDIAN, LONGEST, IN_A_SECOND, OPEN, ENTRIES, BESIDE]
        }
        Workload::Burst => vec![
            ("connected", |measured| format!("{} of {BURST}", measured.dials.connected)),
            FAILED,
            MEDIAN,
            LONGEST,
            ("overtaken", |measured| measured.overtaken.to_string()),
            IN_A_SECOND,
            OPEN,
            ENTRIES,
            BESIDE,
        ],
        Workload::Churn => vec![
            ("ended as they should", ended),
            ("slots leaked", leaked),
            ("opened afterwards", |measured| measured.dials.connected.to_string()),
            ("entries in the NAT box, taken for open", |measured| {
                format!("{}, {}", measured.entries, measured.entries_open)
            }),
            BESIDE,
        ],
    }
}

/// Of one workload.
pub fn of(workload: Workload, outcomes: &[Outcome]) -> String {
    let columns = columns(workload);
    let mut text = "| limiter |".to_owned();
    for (head, _) in &columns {
        let _ = write!(text, " {head} |");
    }
    let _ = writeln!(text, "\n| --- |{}", " --- |".repeat(columns.len()));
    for outcome in outcomes.iter().filter(|outcome| outcome.workload == workload) {
        let _ = write!(text, "| {} |", outcome.limiter);
        match &outcome.measured {
            Ok(measured) => {
                for (_, cell) in &columns {
                    let _ = write!(text, " {} |", cell(measured));
                }
            }
            Err(why) => {
                let _ = write!(
                    text,
                    " not measured: {} |{}",
                    why.replace('|', "/"),
                    " |".repeat(columns.len() - 1)
                );
            }
        }
        text.push('\n');
    }
    text
}

fn ended(measured: &Measured) -> String {
    let Some(churned) = &measured.churned else { return "-".to_owned() };
    let of = CHURN_ROUNDS * testkit::endings::WAYS.len();
    format!("{} of {of}", churned.ended)
}

fn leaked(measured: &Measured) -> String {
    let leaked = measured.churned.as_ref().and_then(|churned| churned.leaked);
    leaked.map_or("-".to_owned(), |leaked| leaked.to_string())
}

fn beside(dials: &Dials) -> String {
    format!(
        "{} connected, {} failed, longest wait {}",
        dials.connected,
        dials.failed,
        ms(dials.waits().most())
    )
}

fn ms(ms: f64) -> String {
    if ms.is_nan() {
        "-".to_owned()
    } else if ms < 1_000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1e3)
    }
}
