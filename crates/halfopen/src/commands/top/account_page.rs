//! The page of an account: what it is, its programs, where they connect to, and what they wait for.

use super::screen::{Page, Screen};
use crate::control::status::seconds;
use crate::control::{AccountInspection, AttemptStatus, PortInspection, ProgramInspection, ScopeStatus};
use crate::events::text::plain;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, screen: &Screen, page: &Page) {
    let status = screen.current().map(|row| &row.status);
    let found = page.inspection.as_ref().and_then(|found| found.accounts.first());
    let text = Paragraph::new(lines(page, status, found)).wrap(Wrap { trim: false });
    frame.render_widget(text.scroll((page.scrolled, 0)), area);
}

fn lines(page: &Page, status: Option<&ScopeStatus>, found: Option<&AccountInspection>) -> Vec<Line<'static>> {
    let mut lines = vec![heading(&plain(&page.name))];
    let Some(status) = status.or(found.map(|found| &found.status)) else {
        lines.push(Line::from("It is gone, or has too little to report to be listed."));
        return lines;
    };
    let runs_in = status.runs_in.to_string();
    lines.extend((!runs_in.is_empty()).then(|| Line::from(plain(&runs_in))));
    lines.extend(numbers(status).into_iter().map(Line::from));
    let Some(found) = found else {
        lines.push(Line::from("(asking the daemon)"));
        return lines;
    };
    if let Some(share) = found.answered_share {
        lines.push(Line::from(format!("answered: {:.0} % of the attempts with an outcome", 100.0 * share)));
    }
    lines.push(heading("PROGRAMS"));
    lines.extend(found.programs.iter().flat_map(program));
    more(&mut lines, found.programs.is_empty(), found.more_programs, "programs");
    lines.push(heading("DESTINATIONS"));
    lines.extend(found.ports.iter().map(port));
    more(&mut lines, found.ports.is_empty(), found.more_ports, "ports");
    lines.push(heading("ATTEMPTS"));
    lines.extend(found.attempts.iter().map(attempt));
    let unlisted = found.live.saturating_sub(found.attempts.len() as u64);
    more(&mut lines, found.attempts.is_empty(), unlisted, "attempts");
    lines
}

fn heading(text: &str) -> Line<'static> {
    Line::from(text.to_owned()).style(Modifier::BOLD)
}

fn more(lines: &mut Vec<Line<'static>>, is_empty: bool, more: u64, what: &str) {
    match (is_empty, more) {
        (true, 0) => lines.push(Line::from(format!("  no {what} are known"))),
        (_, 0) => {}
        (_, more) => lines.push(Line::from(format!("  and {more} more {what}"))),
    }
}

fn numbers(status: &ScopeStatus) -> Vec<String> {
    let limit = status.half_open_limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let trust = &status.trust;
    let mut lines = vec![format!(
        "waiting {}, half-open {} of {limit}, let out at once {}, after a wait {}, gave up {}, refused {}, longest wait {}",
        status.queued,
        status.half_open,
        status.admitted,
        status.released,
        status.gave_up_while_queued,
        status.refused_overflow + status.refused_blocked,
        seconds(status.longest_wait_ms)
    )];
    let credit = trust.credit.map(|credit| format!("credit {credit}"));
    let contacts = trust.first_contacts.map(|count| format!("first contacts {count}"));
    let suspect = trust.suspect_since.map(|since| format!("SUSPECT since {since}"));
    let blocked = trust.blocked_until.map(|until| format!("BLOCKED until {until}"));
    let known: Vec<String> = [credit, contacts, suspect, blocked].into_iter().flatten().collect();
    lines.extend((!known.is_empty()).then(|| known.join(", ")));
    lines
}

fn program(program: &ProgramInspection) -> Vec<Line<'static>> {
    let ended = if program.is_running { "" } else { ", ended" };
    let exe = program.exe.as_deref().map_or_else(String::new, |exe| format!(", {}", plain(exe)));
    let (comm, pid, user) = (plain(&program.comm), program.pid, plain(&program.user));
    let command = program.command_line.as_deref().filter(|line| !line.is_empty());
    let command = command.map(|line| Line::from(format!("      {}", plain(line))));
    let first = Line::from(format!("  {comm} (pid {pid}{ended}), user {user}{exe}"));
    std::iter::once(first).chain(command).collect()
}

fn port(port: &PortInspection) -> Line<'static> {
    let at_least = if port.and_more { "at least " } else { "" };
    let dots = if port.addresses > port.sample.len() as u64 { ", ..." } else { "" };
    Line::from(format!(
        "  port {}: addresses: {at_least}{}, {} waiting, {} unanswered: {}{dots}",
        port.port,
        port.addresses,
        port.queued,
        port.unanswered,
        port.sample.join(", ")
    ))
}

fn attempt(attempt: &AttemptStatus) -> Line<'static> {
    let since = match attempt.out_for_ms {
        Some(out) => format!("unanswered for {}", seconds(out)),
        None => format!("held for {}", seconds(attempt.age_ms)),
    };
    let waits =
        attempt.waits_for.as_deref().map_or_else(String::new, |why| format!("; waits for {}", plain(why)));
    let (destination, comm, pid) = (&attempt.destination, plain(&attempt.comm), attempt.pid);
    Line::from(format!("  {destination}, {comm} (pid {pid}), {since}{waits}"))
}
