//! `inspect`: what is known of an account, a process or an address, for people or as JSON.

use super::ask;
use super::named_account::resolved;
use crate::control::status::{seconds, span};
use crate::control::{
    AccountInspection, Answer, AttemptStatus, Inspected, Inspection, ModeStatus, ParentStatus,
    PortInspection, ProgramInspection, Request, RuleInspection, ScopeKind,
};
use crate::events::text::plain;
use crate::output;
use anyhow::Result;

pub fn inspect(inspected: Inspected, json: bool) -> Result<()> {
    let inspected = match inspected {
        Inspected::Account(name) => Inspected::Account(resolved(name)?),
        attempts @ Inspected::Attempts(_) => attempts,
    };
    let inspection = match ask(&Request::Inspect { subject: inspected })? {
        (_, Answer::Inspection(inspection)) => *inspection,
        (client, other) => return Err(client.unexpected(&other).into()),
    };
    if json {
        return output::line(&serde_json::to_string(&inspection)?);
    }
    output::line(&text(&inspection))
}

fn text(inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    if let Some(process) = &inspection.process {
        lines.push(format!("{} (pid {}), uid {}", plain(&process.comm), process.pid, process.uid));
        lines.push(format!("    command line: {}", shown(&process.command_line)));
        lines.extend(process.exe.as_deref().map(|exe| format!("    executable: {}", plain(exe))));
        lines.extend(process.cgroup.as_deref().map(|path| format!("    cgroup: {}", plain(path))));
        lines.extend(process.parent.as_ref().map(|parent| format!("    parent: {}", of_parent(parent))));
    }
    lines.extend(inspection.note.as_deref().map(plain));
    lines.extend(inspection.named.iter().flatten().map(ToString::to_string));
    if inspection.named.as_ref().is_some_and(Vec::is_empty) {
        lines.push("no recent DNS answer has named it".to_owned());
    }
    if inspection.accounts.is_empty() {
        lines.push(format!(
            "{}: no live attempt, and none that had to wait since the daemon started",
            plain(&inspection.subject)
        ));
    }
    for account in &inspection.accounts {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        account_lines(&mut lines, account, inspection);
    }
    if inspection.more_accounts > 0 {
        lines.push(format!(
            "and {} more accounts, which --json does not list either: inspect one by name",
            inspection.more_accounts
        ));
    }
    if !inspection.accounts_of_scope.is_empty() {
        lines.push("its accounts:".to_owned());
        lines.extend(inspection.accounts_of_scope.iter().map(|name| format!("    {}", plain(name))));
    }
    lines.join("\n")
}

fn account_lines(lines: &mut Vec<String>, account: &AccountInspection, inspection: &Inspection) {
    let status = &account.status;
    lines.push(status.in_short());
    let share = match account.answered_share {
        Some(share) => format!(
            "answered: {} of {} attempts with an outcome ({:.0} %)",
            status.established,
            status.established + status.failed,
            100.0 * share
        ),
        None => "answered: no attempt has an outcome yet".to_owned(),
    };
    lines.push(format!("    {share}"));
    let unanswered = status.half_open + status.aged;
    lines.push(format!(
        "    in {} (since {}): let out at once {}, held {}, released {}, cancelled {}, gave up {}, refused {}; \
         unanswered now {unanswered}",
        span(inspection.counting_for_s),
        inspection.counting_since,
        status.admitted,
        status.released + status.cancelled + status.gave_up_while_queued + status.queued,
        status.released,
        status.cancelled,
        status.gave_up_while_queued,
        status.refused_overflow + status.refused_blocked,
    ));
    lines.extend(account.first_seen.map(|since| format!("    first seen {since}")));
    if inspection.mode == ModeStatus::Audit {
        lines.push(format!(
            "    mode is audit: nothing is held; {} attempts would have waited",
            status.would_have_waited
        ));
    }
    if account.programs.is_empty() {
        lines.push("programs: none is known, as none of its attempts has waited or is live".to_owned());
    } else {
        lines.push("programs:".to_owned());
        account.programs.iter().for_each(|program| program_lines(lines, program));
        if account.more_programs > 0 {
            lines.push(format!("    and {} more, which are not kept", account.more_programs));
        }
    }
    if !account.ports.is_empty() {
        lines.push("addresses by port:".to_owned());
        lines.extend(account.ports.iter().map(|port| format!("    {}", of_port(port))));
        if account.more_ports > 0 {
            lines.push(format!(
                "    and {}: {} had to wait so far",
                counted(account.more_ports, "more port"),
                account.waited_on_more_ports
            ));
        }
    }
    if !account.attempts.is_empty() {
        lines.push(format!(
            "held now: {}, unanswered now: {}",
            status.queued,
            account.live - status.queued.min(account.live)
        ));
        attempt_lines(lines, &account.attempts);
        if account.live > account.attempts.len() as u64 {
            lines.push(format!("    and {} more", account.live - account.attempts.len() as u64));
        }
    }
    lines.push("rules that apply:".to_owned());
    lines.extend(rules(&account.rules));
    if !account.events.is_empty() {
        lines.push("events:".to_owned());
        lines.extend(account.events.iter().map(|event| format!("    {} {event}", event.time)));
    }
    if status.kind == ScopeKind::Account {
        let name = plain(&status.name);
        let release = status.trust.suspect_since.is_some() || status.trust.blocked_until.is_some();
        let block = if inspection.mode == ModeStatus::Enforce {
            format!("halfopen block '{name}' --for 1h")
        } else {
            "halfopen enforce --for 1h".to_owned()
        };
        let release = if release { format!(" or halfopen release '{name}'") } else { String::new() };
        lines.push(format!("next: {block}{release}"));
    }
}

fn program_lines(lines: &mut Vec<String>, program: &ProgramInspection) {
    let ended = if program.is_running { "" } else { ", ended" };
    let processes = match program.processes {
        0 | 1 => String::new(),
        n => format!(", the latest of {n} processes"),
    };
    let since = program.first_seen.map_or_else(String::new, |since| format!(", first seen {since}"));
    lines.push(format!(
        "    {} (pid {}{ended}{processes}), user {}{since}",
        plain(&program.comm),
        program.pid,
        plain(&program.user)
    ));
    let unknown = "unknown: the process ended before it was looked up";
    let line = program.command_line.as_deref().map_or_else(|| unknown.to_owned(), shown);
    lines.push(format!("        command line: {line}"));
    lines.extend(program.exe.as_deref().map(|exe| format!("        executable: {}", plain(exe))));
    lines.extend(program.cgroup.as_deref().map(|path| format!("        cgroup: {}", plain(path))));
    let runs_in = Some(program.runs_in.to_string()).filter(|known| !known.is_empty());
    lines.extend(runs_in.map(|known| format!("        runs in: {}", plain(&known))));
    lines.extend(program.parent.as_ref().map(|parent| format!("        parent: {}", of_parent(parent))));
    lines.extend(program.harm.as_ref().map(|harm| {
        format!(
            "        held {}, released {}, gave up {}, refused {}, would have waited {}",
            harm.held,
            harm.released,
            harm.gave_up_while_queued,
            harm.refused_overflow,
            harm.would_have_waited
        )
    }));
}

/// What attempts wait for stands once above all that wait for the same.
fn attempt_lines(lines: &mut Vec<String>, attempts: &[AttemptStatus]) {
    let mut reason = None;
    for attempt in attempts {
        if attempt.waits_for.is_some() && attempt.waits_for != reason {
            reason.clone_from(&attempt.waits_for);
            lines.extend(reason.as_deref().map(|reason| format!("    waits for {}:", plain(reason))));
        }
        let since = match attempt.out_for_ms {
            Some(out) => format!("unanswered for {}", seconds(out)),
            None => format!("held for {}", seconds(attempt.age_ms)),
        };
        let indent = if attempt.waits_for.is_some() { "        " } else { "    " };
        lines.push(format!(
            "{indent}{}, {} (pid {}), {since}",
            attempt.destination,
            plain(&attempt.comm),
            attempt.pid
        ));
    }
}

fn of_parent(parent: &ParentStatus) -> String {
    format!("{} (pid {}): {}", plain(&parent.comm), parent.pid, shown(&parent.command_line))
}

fn of_port(port: &PortInspection) -> String {
    let at_least = if port.and_more { "at least " } else { "" };
    let addresses = if port.addresses == 1 { "address" } else { "addresses" };
    let more = if port.addresses > port.sample.len() as u64 { ", ..." } else { "" };
    format!(
        "{}: {at_least}{} {addresses}, {} waiting, {} unanswered, {} had to wait so far: {}{more}",
        port.port,
        port.addresses,
        port.queued,
        port.unanswered,
        port.waited,
        port.sample.join(", ")
    )
}

/// One line for each rule and origin.
fn rules(rules: &[RuleInspection]) -> Vec<String> {
    let mut lines: Vec<(String, String, String)> = Vec::new();
    for RuleInspection { rule, key, value, origin } in rules {
        let said = format!("{key} = {value}");
        match lines.last_mut() {
            Some((last, from, text)) if last == rule && from == origin => text.extend([", ", &said]),
            _ => lines.push((rule.clone(), origin.clone(), said)),
        }
    }
    let line = |(rule, origin, text): (String, String, String)| {
        // A key of no table stands for itself.
        let of_rule =
            if text.starts_with(&format!("{rule} = ")) { String::new() } else { format!("{rule}: ") };
        plain(&format!("    {of_rule}{text}  ({origin})"))
    };
    lines.into_iter().map(line).collect()
}

/// A number of things: "1 port", "2 ports".
fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn shown(command_line: &str) -> String {
    if command_line.is_empty() { "none".to_owned() } else { plain(command_line) }
}
