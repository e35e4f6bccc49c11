//! `explain`: what the history knows of the connects in a provider's mail.

use super::columns::fitted;
use crate::abuse_mail::{Mail, Unread};
use crate::blame::{Blame, Blamed, blame};
use crate::events::text::plain;
use crate::history::Reader;
use crate::output;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use anyhow::{Context, Result};
use jiff::tz::Offset;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest mail, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;
/// How many lines that were not read are listed.
const LISTED: usize = 10;

pub fn explain(file: &Path, offset: Option<Offset>, json: bool) -> Result<()> {
    let mail = Mail::read(&contents(file)?, UtcTime::now());
    let reader = Reader::open(&StateDir::of_this_host())?;
    let found = blame(&mail, &reader, offset)?;
    output::line(&if json { serde_json::to_string(&found)? } else { fitted(&shown(&found).join("\n")) })
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(LONGEST).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let read = File::open(file).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(bytes)
}

fn shown(found: &Blame) -> Vec<String> {
    let mut lines = vec![format!(
        "{} connects read, to {} addresses; in the history: {}, and {} like one of its",
        found.connects, found.addresses, found.exact, found.similar
    )];
    if let Some(offset) = &found.offset {
        let how = if found.offset_is_guessed { "which fit the history best" } else { "as you said" };
        lines.push(format!("Its times have no zone: they are taken for UTC{offset}, {how}."));
    }
    for blamed in &found.programs {
        lines.extend(of_program(blamed));
    }
    if found.unknown > 0 {
        lines.push(format!(
            "{} connects are not in the history. {}",
            found.unknown,
            found.why_unknown.as_deref().unwrap_or_default()
        ));
    }
    lines.extend(unread(&found.unread));
    lines
}

fn of_program(blamed: &Blamed) -> Vec<String> {
    let or_unknown = |text: &str| if text.is_empty() { "unknown".to_owned() } else { plain(text) };
    let mut lines = vec![
        format!(
            "{} ({}), user {}: {} of these connects, {} more to their neighbours on the same port",
            plain(&blamed.program.comm),
            or_unknown(&blamed.program.exe),
            plain(&blamed.program.user),
            blamed.exact,
            blamed.similar
        ),
        format!("    cgroup {}, account {}", or_unknown(&blamed.program.cgroup), plain(&blamed.account)),
    ];
    let runs_in = blamed.program.runs_in.to_string();
    lines.extend((!runs_in.is_empty()).then(|| format!("    {}", plain(&runs_in))));
    lines.push(format!("    from {} to {}, such as {}", blamed.first, blamed.last, blamed.sample.join(", ")));
    let held = &blamed.held;
    lines.push(format!(
        "    In that time its account began {} attempts: {} were answered, {} left after a wait, {} gave up or were \
         cancelled while they waited, {} were refused; at most {} waited at once{}.",
        held.begun,
        held.established,
        held.released,
        held.gave_up + held.cancelled,
        held.refused,
        held.peak_queued,
        if held.would_have_waited > 0 {
            format!(". Audit mode: {} would have waited", held.would_have_waited)
        } else {
            String::new()
        }
    ));
    lines.extend(blamed.now.as_ref().map(|command| format!("    Stop it now: {command}")));
    if let Some(rule) = &blamed.rule {
        lines.push("    Keep it from doing so again: in /etc/halfopen/conf.d/50-explain.toml".to_owned());
        lines.extend(rule.lines().map(|line| format!("        {line}")));
    }
    lines
}

fn unread(unread: &[Unread]) -> Vec<String> {
    let mut lines: Vec<String> = unread
        .iter()
        .take(LISTED)
        .map(|unread| format!("line {} is not used: {}", unread.line, unread.why))
        .collect();
    if unread.len() > LISTED {
        lines.push(format!("and {} more lines (--json lists them)", unread.len() - LISTED));
    }
    lines
}
