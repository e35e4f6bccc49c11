//! `status`, `get` and `why`: output for people, or JSON.

use super::columns::fitted;
use super::unanswered::{code, code_beside, or_unwatched};
use super::unwatched::Unwatched;
use super::{alike, ask, numbers, program_table};
use crate::control::{Answer, Request, ScopeKind, ScopeStatus, Status, Subject, status::seconds};
use crate::events::text::plain;
use crate::output;
use anyhow::Result;

/// The daemon's numbers.
///
/// # Errors
/// If no daemon answers, and nothing is pinned that could be read instead.
pub fn asked_status() -> Result<Status> {
    or_unwatched(numbers(), Unwatched::status)
}

pub fn status(json: bool) -> Result<u8> {
    let status = asked_status()?;
    output::line(&shown(&status, json)?)?;
    let unwatched = status.unwatched.as_ref();
    Ok(if json { code_beside(unwatched) } else { code(unwatched) })
}

/// The daemon's numbers, as `status` prints them.
pub fn shown_status(json: bool) -> Result<String> {
    shown(&asked_status()?, json)
}

fn shown(status: &Status, json: bool) -> Result<String> {
    Ok(if json { serde_json::to_string(status)? } else { fitted(&table(status)) })
}

/// Prints the value in force for a key.
pub fn get(name: &str) -> Result<u8> {
    let asked = ask(&Request::Get { name: name.to_owned() }).and_then(|answer| match answer {
        (_, Answer::Value { value }) => Ok((value, None)),
        (client, other) => Err(client.unexpected(&other).into()),
    });
    let read = |limit: &mut Unwatched| Ok((limit.get(name)?, Some(limit.told())));
    let (value, unwatched) = or_unwatched(asked, read)?;
    output::line(&value)?;
    Ok(code_beside(unwatched.as_ref()))
}

/// How many programs `status` lists.
const MOST_HARMED: usize = 5;

/// How many scopes stand beside each other.
const BESIDE: usize = 4;

/// The harm that the limit does comes first.
fn table(status: &Status) -> String {
    type Row = (&'static str, fn(&ScopeStatus) -> String);
    let rows: [Row; 15] = [
        ("gave up while queued", |scope| scope.gave_up_while_queued.to_string()),
        ("refused, queue full", |scope| scope.refused_overflow.to_string()),
        ("longest wait", |scope| seconds(scope.longest_wait_ms)),
        ("queued", |scope| scope.queued.to_string()),
        ("half-open", |scope| scope.half_open.to_string()),
        ("half-open limit", |scope| or_unlimited(scope.half_open_limit)),
        ("drain per second", |scope| or_unlimited(scope.drain_per_s)),
        ("aged", |scope| scope.aged.to_string()),
        ("admitted", |scope| scope.admitted.to_string()),
        ("released", |scope| scope.released.to_string()),
        ("cancelled", |scope| scope.cancelled.to_string()),
        ("established", |scope| scope.established.to_string()),
        ("failed", |scope| scope.failed.to_string()),
        ("would have waited", |scope| scope.would_have_waited.to_string()),
        ("saturated", |scope| if scope.saturated { "yes" } else { "no" }.into()),
    ];
    // Rules have too many accounts for columns.
    let (execs, narrower): (Vec<_>, Vec<_>) =
        status.scopes.iter().partition(|scope| scope.kind == ScopeKind::Exec);
    let (unused, narrower): (Vec<_>, Vec<_>) = narrower.into_iter().partition(|scope| scope.is_unused());
    let scopes: Vec<&ScopeStatus> = std::iter::once(&status.host).chain(execs).collect();
    let width = scopes.iter().map(|scope| scope.name.len()).max().unwrap_or(0).max(12);
    let line = |name: &str, cells: Vec<String>| {
        cells.iter().fold(format!("{name:<21}"), |line, cell| format!("{line}  {cell:>width$}"))
    };
    let mut lines = vec![match &status.unwatched {
        None => format!(
            "mode {}, preset {}, config_hash {}, pid {}",
            status.mode, status.preset, status.config_hash, status.pid
        ),
        Some(unwatched) => {
            format!(
                "{unwatched}\nmode {} (preset, config_hash and earlier counts are not pinned)",
                status.mode
            )
        }
    }];
    lines.extend(status.trial.iter().map(ToString::to_string));
    for scopes in scopes.chunks(BESIDE) {
        lines.push(line("", scopes.iter().map(|scope| scope.name.clone()).collect()));
        let cells = |cell: fn(&ScopeStatus) -> String| scopes.iter().map(|scope| cell(scope)).collect();
        lines.extend(rows.iter().map(|(name, cell)| line(name, cells(*cell))));
    }
    lines.extend(narrower.iter().map(|scope| scope.in_short()));
    if !unused.is_empty() {
        let names: Vec<&str> = unused.iter().map(|scope| scope.name.as_str()).collect();
        lines.push(format!("nothing is charged to {} itself", names.join(", ")));
    }
    if status.accounts_unlisted > 0 {
        lines.push(format!("and {} more accounts with less to report", status.accounts_unlisted));
    }
    lines.extend(
        status
            .blocked
            .iter()
            .map(|blocked| format!("{}: blocked by hand until {}", plain(&blocked.account), blocked.until)),
    );
    lines.extend(scopes.iter().filter_map(|scope| Some(format!("{}: {}", scope.name, scope.udp.as_ref()?))));
    lines.extend(
        scopes.iter().filter_map(|scope| Some(format!("{}: {}", scope.name, scope.connections.as_ref()?))),
    );
    lines.extend(status.learned.iter().map(|learned| format!("audit: {learned}")));
    lines.extend(status.deny.iter().map(ToString::to_string));
    lines.extend(status.names.iter().map(ToString::to_string));
    let gates = status.gates.iter().filter(|gate| gate.stopped > 0);
    lines.extend(gates.map(|gate| {
        let (interface, let_out, stopped) = (&gate.interface, gate.first_contacts, gate.stopped);
        format!("gate {interface} (containers, TCP without a socket): {let_out} first contacts let out, {stopped} SYNs over the credit")
    }));
    lines.extend(status.conntrack.map(|found| format!("connection tracking: {found}")));
    lines.extend(program_table::lines(&status.programs, &status.others, MOST_HARMED));
    lines.extend(status.degraded.iter().map(|reason| format!("degraded: {}", reason.explanation)));
    let faults = status.faults.iter();
    lines.extend(faults.map(|fault| format!("fault: {} ({} times)", fault.explanation, fault.count)));
    lines.join("\n")
}

fn or_unlimited<T: ToString>(number: Option<T>) -> String {
    number.map_or("unlimited".into(), |number| number.to_string())
}

pub fn why(subject: &Subject, json: bool) -> Result<u8> {
    let asked = ask(&Request::Why { subject: subject.clone() }).and_then(|answer| match answer {
        (_, Answer::Why(why)) => Ok(*why),
        (client, other) => Err(client.unexpected(&other).into()),
    });
    let why = or_unwatched(asked, |limit| limit.why(subject))?;
    let unwatched = why.unwatched.as_ref();
    if json {
        output::line(&serde_json::to_string(&why)?)?;
        return Ok(code_beside(unwatched));
    }
    if let Some(unwatched) = unwatched {
        output::line(&unwatched.to_string())?;
    }
    if let Some(note) = &why.note {
        output::line(&plain(note))?;
    }
    for named in why.named.iter().flatten() {
        output::line(&named.to_string())?;
    }
    if why.named.as_ref().is_some_and(Vec::is_empty) {
        output::line("no recent DNS answer has named it")?;
    }
    if why.attempts.is_empty() {
        output::line("no such attempt is waiting or unanswered now")?;
        if let Subject::Name(name) = subject {
            let searched = match unwatched {
                None => "programs, cgroups and accounts were",
                Some(_) => "without a daemon, only the names of programs were",
            };
            output::line(&format!(
                "({searched} searched for {}: `halfopen status` shows names)",
                plain(name)
            ))?;
        }
    }
    for line in alike::lines(&why.attempts) {
        output::line(&line)?;
    }
    if why.in_all > why.attempts.len() {
        output::line(&format!("and {} more that began later", why.in_all - why.attempts.len()))?;
    }
    Ok(code(unwatched))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Degradation, Harm};
    use halfopen_policy::{Ledger, Limits};

    #[test]
    fn the_harm_comes_first_scopes_of_exec_have_columns_and_accounts_lines() {
        let ledger = Ledger { gave_up_while_queued: 7, queued: 244, ..Ledger::default() };
        let host = ScopeStatus::new("host", ScopeKind::Host, &Limits::xp_sp2(), &ledger);
        let exec = ScopeStatus::new(
            "exec-1",
            ScopeKind::Exec,
            &Limits { half_open: None, ..Limits::xp_sp2() },
            &ledger,
        );
        let account = ScopeStatus::new("adaptive[/a]", ScopeKind::Account, &Limits::xp_sp2(), &ledger);
        let status = Status {
            scopes: vec![exec, account],
            accounts_unlisted: 9_936,
            others: Harm { gave_up_while_queued: 7, held: 251, ..Harm::default() },
            counting_for_s: 60,
            degraded: vec![Degradation::Audit.into()],
            ..Status::of_host(host)
        };
        let table = table(&status);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["host", "exec-1"]);
        assert_eq!(lines[2], "gave up while queued              7             7");
        let account = "adaptive[/a]: queued 244, half-open 0 of 10, gave up while queued 7";
        let at = lines.iter().position(|line| *line == account).unwrap();
        assert_eq!(lines[at + 1], "and 9936 more accounts with less to report");
        assert!(table.contains("unlimited") && lines.last().unwrap().starts_with("degraded: "));
    }
}
