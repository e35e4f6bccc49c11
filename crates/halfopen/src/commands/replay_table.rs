//! What `replay` prints for people.

use super::columns::fitted;
use crate::control::status::{seconds, span};
use crate::events::text::plain;
use halfopen_replay::{
    Effect, InputReport, LimitedReport, Overflow, PolicyReport, ProgramReport, Replayed, SourceReport,
    SuspectReport,
};
use std::fmt::Write;

/// How many sources are listed for each policy.
const LISTED: usize = 20;

pub fn text(replayed: &Replayed) -> String {
    let mut text = String::new();
    for input in &replayed.inputs {
        text += &of_input(input);
    }
    let all = &replayed.recorded;
    let _ = writeln!(
        text,
        "{} attempts in {}: {} answered, {} turned down, {} silent\n",
        all.attempts,
        span(replayed.lasted_s),
        all.answered,
        all.turned_down,
        all.silent
    );
    let widest =
        replayed.policies.iter().map(|policy| policy.policy.chars().count()).max().unwrap_or(0).max(6);
    let _ = writeln!(
        text,
        "{:widest$}  {:>8}  {:>9}  {:>9}  {:>9}  {:>7}  {:>7}  {:>8}",
        "policy", "waited", "median", "99 %", "longest", "late", "lost", "suspects"
    );
    for policy in &replayed.policies {
        let Effect { delayed, .. } = &policy.all;
        let _ = writeln!(
            text,
            "{:widest$}  {:>8}  {:>9}  {:>9}  {:>9}  {:>7}  {:>7}  {:>8}",
            policy.policy,
            delayed.count,
            seconds(delayed.median_ms),
            seconds(delayed.p99_ms),
            seconds(delayed.longest_ms),
            late(&policy.all),
            lost(&policy.all),
            policy.suspects
        );
    }
    text += "late: answered in the recording, and held for more than a second before they connected.\n\
             lost: answered in the recording, and refused, or given up while they waited.\n";
    for policy in &replayed.policies {
        text += &of_policy(policy);
    }
    text += &of_overflow(&replayed.overflow);
    text.trim_end().to_owned()
}

fn late(effect: &Effect) -> u64 {
    effect.answered_delayed.over_1s
}

fn lost(effect: &Effect) -> u64 {
    effect.answered_gave_up + effect.answered_refused
}

fn of_input(input: &InputReport) -> String {
    let mut parts = vec![format!("{}: {} records", input.file, input.records)];
    for (count, what) in [
        (input.other, "of other protocols or begun before"),
        (input.fragments, "fragments"),
        (input.cut_short, "cut short before the TCP header"),
        (input.late, "too far out of order"),
        (input.damaged, "damaged and skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if input.is_cut_off {
        parts.push("the file ends within a record".into());
    }
    let mut text = fitted(&parts.join(", ")) + "\n";
    text += &of_limited(&input.limited);
    for damage in &input.damage {
        text += &fitted(&format!("    {damage}"));
        text.push('\n');
    }
    text
}

/// What the limiter did meanwhile.
fn of_limited(limited: &LimitedReport) -> String {
    let LimitedReport { held, refused, denied, lost } = limited;
    let mut parts = Vec::new();
    if held.count > 0 {
        let (median, longest) = (seconds(held.median_ms), seconds(held.longest_ms));
        parts.push(format!(
            "{} attempts were held, for {median} in the median and {longest} at most",
            held.count
        ));
    }
    for (count, what) in [(refused, "were refused"), (denied, "were denied"), (lost, "were lost")] {
        if *count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if parts.is_empty() {
        return String::new();
    }
    fitted(&format!("    while this was recorded, {}", parts.join(", "))) + "\n"
}

fn of_policy(policy: &PolicyReport) -> String {
    if policy.sources.is_empty() {
        return format!("\n{}: nobody waits\n", policy.policy);
    }
    let mut text = format!(
        "\n{}\n{:39}  {:>8}  {:>8}  {:>9}  {:>5}  {:>5}\n",
        policy.policy, "source", "attempts", "waited", "99 %", "late", "lost"
    );
    for of in policy.sources.iter().take(LISTED) {
        text += &of_source(of);
    }
    let more = policy.sources.len().saturating_sub(LISTED);
    if more > 0 {
        let _ = writeln!(text, "{more} more sources had to wait; --json has all");
    }
    if policy.other_sources > 0 {
        let _ = writeln!(text, "{} more sources are counted together", policy.other_sources);
    }
    text
}

fn of_source(of: &SourceReport) -> String {
    let SourceReport { source, program, recorded, effect, suspect } = of;
    let who = program.as_ref().map_or_else(|| source.to_string(), |program| plain(&program.name));
    let mut text = format!(
        "{who:39}  {:>8}  {:>8}  {:>9}  {:>5}  {:>5}\n",
        recorded.attempts,
        effect.delayed.count,
        seconds(effect.delayed.p99_ms),
        late(effect),
        lost(effect)
    );
    if let Some(program) = program {
        text += &of_program(program);
    }
    if effect.refused > 0 {
        let _ =
            writeln!(text, "    {} refused, {} of them answered", effect.refused, effect.answered_refused);
    }
    if let Some(SuspectReport { since, first_contacts, answered, port }) = suspect {
        let port = port.map_or_else(|| "many ports".into(), |port| format!("port {port}"));
        let why = format!(
            "    suspect since {since}: of {first_contacts} new addresses, mostly on {port}, {answered} answered"
        );
        text += &fitted(&why);
        text.push('\n');
    }
    text
}

/// Whose it is. The names are those of a file, which anybody may have written.
fn of_program(program: &ProgramReport) -> String {
    let ProgramReport { uid, cgroup, runs_in, account, .. } = program;
    let whose = match (account, runs_in.as_str()) {
        (Some(account), "") => format!("    account {account}, user {uid}"),
        (Some(account), runs_in) => format!("    {runs_in}, account {account}, user {uid}"),
        (None, runs_in) => format!("    cgroup {cgroup} {runs_in}, user {uid}"),
    };
    fitted(&plain(&whose)) + "\n"
}

fn of_overflow(overflow: &Overflow) -> String {
    let lines = [
        (
            overflow.open_at_the_end,
            "attempts were unanswered when the recordings ended; they count as silent",
        ),
        (overflow.seen_twice, "SYNs were recorded twice, or sent again after their answer"),
        (overflow.out_of_order, "packets were earlier than the one before; they count as at the same time"),
        (overflow.hurried, "attempts count as silent early, because too many were unanswered at once"),
        (overflow.begun_anew, "idle sources were forgotten for want of memory, and began anew"),
        (overflow.unjudged, "attempts were not judged, because too many sources dialled at once"),
        (overflow.forgotten_neighbourhoods, "networks' answers were forgotten early for want of memory"),
    ];
    let mut text = String::new();
    for (count, what) in lines.iter().filter(|(count, _)| *count > 0) {
        text += &fitted(&format!("\nnote: {count} {what}"));
    }
    text
}
