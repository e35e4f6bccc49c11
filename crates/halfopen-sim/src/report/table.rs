//! A study as lines for a terminal of 80 columns.

use super::{show_band, show_factor, show_share, show_time, show_wait};
use crate::study::{CaseResult, LimiterResult, Study};
use std::fmt::Write;

/// The table. "never": not within the scenario's time.
#[must_use]
pub fn table(study: &Study) -> String {
    let mut text = format!("{}\n", study.about);
    let runs = study.cases.iter().map(|case| case.runs).min().unwrap_or_default();
    let _ = writeln!(
        text,
        "{} vulnerable hosts, {runs} runs until {}, seed {}; medians (95% of runs)",
        study.hosts,
        show_time(study.until),
        study.seed
    );
    let mut rows =
        vec![["hosts limited", "half infected", "nine in ten", "slower", "infected"].map(str::to_owned)];
    rows.extend(study.cases.iter().map(row));
    text += &aligned(&rows);
    text += "\nlet out of one host with the worm, on average\n";
    let mut rows = vec![["limited by", "first minute", "first hour", "second hour"].map(str::to_owned)];
    let mut limiters = Vec::<&LimiterResult>::new();
    for limiter in study.cases.iter().flat_map(|case| &case.limiters) {
        if !limiters.iter().any(|known| known.name == limiter.name) {
            limiters.push(limiter);
        }
    }
    rows.extend(limiters.iter().map(|limiter| {
        let [minute, hour, later] =
            [limiter.first_minute, limiter.first_hour, limiter.later_hour].map(|count| format!("{count:.0}"));
        [limiter.name.clone(), minute, hour, later]
    }));
    text += &aligned(&rows);
    if limiters.iter().any(|limiter| !limiter.programs.is_empty()) {
        text += "\nlegitimate programs: wait beyond the round trip\n";
        text += &programs(&limiters);
    }
    if study.stopped {
        text += "\nstopped before all runs were done\n";
    }
    text
}

fn row(case: &CaseResult) -> [String; 5] {
    [
        case.name.clone(),
        show_band(case.half, show_time),
        case.nine_tenths.median.map_or_else(|| "never".to_owned(), show_time),
        show_band(case.slowdown, show_factor),
        case.ever.median.map_or_else(String::new, show_share),
    ]
}

fn programs(limiters: &[&LimiterResult]) -> String {
    let head = ["program", "limited by", "worm", "median", "1 in 100", "longest", "no answer"];
    let mut rows = vec![head.map(str::to_owned)];
    for limiter in limiters {
        rows.extend(limiter.programs.iter().map(|program| {
            [
                program.name.clone(),
                limiter.name.clone(),
                if program.with_worm { "yes" } else { "no" }.to_owned(),
                show_wait(program.median),
                show_wait(program.one_in_a_hundred),
                show_wait(program.longest),
                show_share(program.unanswered),
            ]
        }));
    }
    aligned(&rows)
}

/// Columns as wide as they need be, two spaces apart; the first to the left.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
