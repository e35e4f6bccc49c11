//! `tune --apply`: raises a limit by a step, watches, and goes on or back.

use super::interrupt::at_ctrl_c;
use super::numbers;
use super::set::change;
use crate::control::{ModeStatus, ScopeStatus, Status};
use crate::daemon::enforcement::HOST;
use crate::events::text::plain;
use crate::exit;
use crate::output;
use crate::tuning::Tuning;
use crate::tuning::steps::{Next, Seen, Watched, next, raised};
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(500);

/// What `tune --apply --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Applied {
    /// The scope.
    pub scope: String,
    /// Its `half_open` before.
    pub was: u32,
    /// Its `half_open` now, which is saved if it is another.
    pub now: u32,
    /// What was recommended.
    pub recommended: u32,
    /// The steps.
    pub steps: Vec<AppliedStep>,
    /// Whether it was interrupted; then the last step is undone.
    pub interrupted: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AppliedStep {
    /// The limit that was watched.
    pub half_open: u32,
    /// What was seen.
    pub watched: Watched,
    /// What followed; null if the watch was interrupted.
    pub next: Option<Next>,
}

/// Raises the limit of the scope as far as is recommended and needed. Returns [`exit::FAILED`] if it was interrupted.
pub fn apply(tuning: &Tuning, watch: Duration, json: bool) -> Result<u8> {
    let scope = &tuning.scope;
    let shown = plain(scope);
    let Some(recommended) = tuning.recommended.and_then(|limit| u32::try_from(limit).ok()) else {
        bail!("nothing is recommended for {shown}, so nothing was changed: `halfopen tune` says why");
    };
    let status = numbers()?;
    if status.mode == ModeStatus::Off {
        bail!("mode is off, so nothing waits, and nothing was changed: `halfopen set mode enforce` first");
    }
    let Some(was) = limit_of(&status, scope) else {
        bail!("{shown} has no half_open that could be raised, so nothing was changed");
    };
    if was >= recommended {
        bail!("half_open of {shown} is {was}, and {recommended} is recommended: nothing was raised");
    }
    let suspects: Vec<String> = seen(&status, scope).suspects().map(plain).collect();
    if !suspects.is_empty() {
        bail!(
            "nothing is loosened for a suspect, and nothing was changed: {} is one. `halfopen inspect` shows what it does; \
             `halfopen release` trusts it again",
            suspects.join(", ")
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    at_ctrl_c(move || stopped.store(true, Ordering::Relaxed))?;
    let mut applied =
        Applied { scope: scope.clone(), was, now: was, recommended, steps: Vec::new(), interrupted: false };
    let climbed = climb(&mut applied, watch, &stop, json);
    // Whatever failed, a limit that was not watched to the end does not stay.
    settle(&applied)?;
    climbed?;
    if json {
        output::line(&serde_json::to_string(&applied)?)?;
    } else {
        output::line(&result(&applied))?;
    }
    Ok(if applied.interrupted { exit::FAILED } else { 0 })
}

/// Goes on step by step; `applied.now` is the last limit that may stay.
fn climb(applied: &mut Applied, watch: Duration, stop: &AtomicBool, json: bool) -> Result<()> {
    let mut half_open = raised(applied.was, applied.recommended);
    loop {
        put_in_force(&applied.scope, half_open, false)?;
        let watched = watched(&applied.scope, half_open, watch, stop)?;
        applied.interrupted = stop.load(Ordering::Relaxed);
        let next = (!applied.interrupted).then(|| next(half_open, applied.recommended, watched));
        let done = AppliedStep { half_open, watched, next };
        if !json {
            output::line(&told(&done))?;
        }
        applied.steps.push(done);
        match next {
            None | Some(Next::BackForSuspect | Next::BackForFailures) => return Ok(()),
            Some(Next::Enough | Next::Reached) => {
                applied.now = half_open;
                return Ok(());
            }
            Some(Next::Raise) => {
                applied.now = half_open;
                half_open = raised(half_open, applied.recommended);
            }
        }
    }
}

/// What happens within `watch`; less if a suspect appears, or at Ctrl-C.
fn watched(scope: &str, half_open: u32, watch: Duration, stop: &AtomicBool) -> Result<Watched> {
    let bar = ProgressBar::new(watch.as_secs());
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {elapsed} of {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(format!("half_open {half_open}"));
    bar.set_message(format!("{} s", watch.as_secs()));
    let began = Instant::now();
    let before = seen(&numbers()?, scope);
    loop {
        std::thread::sleep(LOOK.min(watch));
        bar.set_position(began.elapsed().as_secs());
        let watched = seen(&numbers()?, scope).since(&before);
        if began.elapsed() >= watch || watched.suspects > 0 || stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            return Ok(watched);
        }
    }
}

fn settle(applied: &Applied) -> Result<()> {
    if applied.now == applied.was {
        put_in_force(&applied.scope, applied.was, false)
    } else {
        put_in_force(&applied.scope, applied.now, true)
    }
}

fn put_in_force(scope: &str, half_open: u32, save: bool) -> Result<()> {
    change(format!("{}.half_open", scope_key(scope)), half_open.to_string(), save).map(drop)
}

/// A scope and its accounts. At the host nobody may become a suspect.
fn seen(status: &Status, scope: &str) -> Seen {
    if scope == HOST {
        return Seen::of([&status.host], [&status.host].into_iter().chain(&status.scopes));
    }
    let entries = || of_rule(status, scope);
    Seen::of(entries(), entries())
}

fn of_rule<'a>(status: &'a Status, scope: &'a str) -> impl Iterator<Item = &'a ScopeStatus> {
    let is_account = move |name: &str| name.strip_prefix(scope).is_some_and(|rest| rest.starts_with('['));
    status.scopes.iter().filter(move |entry| entry.name == scope || is_account(&entry.name))
}

fn limit_of(status: &Status, scope: &str) -> Option<u32> {
    let of_rule = || of_rule(status, scope).next();
    let entry = if scope == HOST { Some(&status.host) } else { of_rule() };
    entry?.half_open_limit
}

fn told(step: &AppliedStep) -> String {
    let Watched { waited, established, failed, suspects } = step.watched;
    let then = match step.next {
        None => "interrupted, so it is undone".to_owned(),
        Some(Next::Enough) => "nothing waits any more".to_owned(),
        Some(Next::Reached) => "no more is recommended".to_owned(),
        Some(Next::Raise) => "it is raised again".to_owned(),
        Some(Next::BackForSuspect) => format!("{suspects} new suspects, so it is undone"),
        Some(Next::BackForFailures) => "most attempts failed, so it is undone".to_owned(),
    };
    format!("half_open {}: {waited} waited, {established} answered, {failed} failed: {then}", step.half_open)
}

fn result(applied: &Applied) -> String {
    let Applied { was, now, .. } = applied;
    let scope = plain(&applied.scope);
    if now == was {
        format!("{scope}: half_open stays {was}")
    } else {
        format!("{scope}: half_open {now} (was {was}), saved")
    }
}

/// The name of the scope's keys.
pub(super) fn scope_key(scope: &str) -> String {
    if scope == HOST { HOST.to_owned() } else { format!("scope.{scope}") }
}
