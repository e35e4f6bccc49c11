//! `tune`: what another limit would have done.

use super::columns::fitted;
use super::tune_apply::{apply, scope_key};
use crate::cli::Tune;
use crate::control::status::seconds;
use crate::daemon::enforcement::HOST;
use crate::events::text::plain;
use crate::exit::WrongUse;
use crate::history::Reader;
use crate::output;
use crate::runtime_dir::StateDir;
use crate::tuning::connections::{ConnectionLimit, ConnectionTuning};
use crate::tuning::{ENOUGH_ANSWERED, ENOUGH_MINUTES, LimitTried, Tuning, USUAL, rows_of, tuned};
use crate::utc_time::UtcTime;
use anyhow::Result;

pub fn tune(asked: &Tune) -> Result<u8> {
    let Some(tuning) = tuning(asked)? else {
        output::line("The history has no whole minute yet: ask again later.")?;
        return Ok(0);
    };
    if asked.apply {
        return apply(&tuning, asked.watch, asked.json);
    }
    let said = if asked.json { serde_json::to_string(&tuning)? } else { fitted(&shown(&tuning).join("\n")) };
    output::line(&said)?;
    Ok(0)
}

/// What the history says; `None` if it is empty and a person asks.
fn tuning(asked: &Tune) -> Result<Option<Tuning>> {
    let since = asked.since.unwrap_or_else(|| UtcTime::now().before(USUAL));
    let scope = asked.scope.as_deref().unwrap_or(HOST);
    let reader = Reader::open(&StateDir::of_this_host())?;
    let is_empty = reader.latest_minutes(since, None, 1)?.is_empty();
    let rows = rows_of(scope, reader.minutes_of_scope(since, scope)?, &reader.suspect_minutes(since)?);
    if is_empty && !asked.json {
        return Ok(None);
    }
    if rows.is_empty() && !is_empty {
        let why =
            format!("the history has no attempts in a scope {scope}: `halfopen history` shows the scopes");
        return Err(WrongUse(why).into());
    }
    Ok(Some(tuned(scope, &rows, None, asked.limit)))
}

fn shown(tuning: &Tuning) -> Vec<String> {
    let scope = plain(&tuning.scope);
    let now = tuning.half_open_now.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let mut lines = vec![format!(
        "{scope}: half_open {now}, {} attempts in {} minutes, {} of them answered",
        tuning.begun, tuning.minutes, tuning.answered
    )];
    if tuning.accounts > 1 {
        lines.push(format!("The limit holds for each of its {} accounts.", tuning.accounts));
    }
    lines.extend(tuning.limits.iter().map(|limit| line(limit, tuning.answered)));
    if tuning.gave_up > 0 {
        lines.push(format!(
            "{} attempts gave up while they waited: they may have been answered.",
            tuning.gave_up
        ));
    }
    if tuning.would_have_waited > 0 {
        let known = tuning.would_wait_p50_ms.zip(tuning.would_wait_p99_ms);
        let known = known.map(|(half, most)| {
            format!(
                ": in the worst minute half of them within {}, 99 of 100 within {}",
                seconds(half),
                seconds(most)
            )
        });
        lines.push(format!(
            "Audit: enforcing the limits of now would have held {} attempts{}.",
            tuning.would_have_waited,
            known.unwrap_or_default()
        ));
    }
    lines.extend(tuning.connections.iter().flat_map(|of| connections(of, &scope)));
    if tuning.suspect_rows > 0 {
        lines.push(format!("Left out: {} minutes of suspects.", tuning.suspect_rows));
    }
    lines.push(match tuning.recommended {
        Some(limit) => {
            format!("Recommended: half_open {limit}. Next: halfopen set --save {}.half_open {limit}", scope_key(&scope))
        }
        None if tuning.answered < ENOUGH_ANSWERED || tuning.minutes < ENOUGH_MINUTES => format!(
            "No recommendation: that needs {ENOUGH_ANSWERED} answered attempts in minutes that add up to a day. Ask \
             again later."
        ),
        None => "Recommended: leave it as it is.".to_owned(),
    });
    lines
}

fn line(limit: &LimitTried, answered: u64) -> String {
    let share = share(limit.delayed_per_mille);
    format!(
        "half_open {}: would have delayed {share} of the answered ({} of {answered}), and held up to {} others, in {} \
         minutes",
        limit.half_open, limit.delayed_at_most, limit.unanswered_held_at_most, limit.minutes_over
    )
}

/// What is said of a limit on connections.
fn connections(of: &ConnectionTuning, scope: &str) -> Vec<String> {
    let (key, unit) = (of.limit.key(), if of.limit == ConnectionLimit::ConnectRate { "/m" } else { "" });
    let now = of.now.map_or("unlimited".to_owned(), |limit| format!("{limit}{unit}"));
    let mut lines = vec![format!("{key} {now}: limits on connections held {}, or would have", of.held)];
    if of.limits.is_empty() {
        lines.push(
            "The history has no open connections: they are counted where established is set, also in audit mode."
                .to_owned(),
        );
    }
    lines.extend(of.limits.iter().map(|tried| {
        let share = share(tried.delayed_per_mille);
        format!(
            "{key} {}{unit}: would have delayed {share} of the answered ({}), in {} minutes",
            tried.limit, tried.delayed_at_most, tried.minutes_over
        )
    }));
    if let Some(limit) = of.recommended {
        let set =
            |key: &str, value: String| format!("halfopen set --save {}.{key} {value}", scope_key(scope));
        let also = match of.limit {
            ConnectionLimit::Established => String::new(),
            ConnectionLimit::ConnectRate => format!(" && {}", set("connect_burst", (2 * limit).to_string())),
        };
        lines.push(format!(
            "Recommended: {key} {limit}{unit}. Next: {}{also}",
            set(key, format!("{limit}{unit}"))
        ));
    }
    lines
}

fn share(per_mille: u64) -> String {
    match per_mille {
        0 => "none".to_owned(),
        share => format!("at most {}.{} %", share / 10, share % 10),
    }
}
