//! An event as a line for people: who it was, what they did, why, what happens now, and what to do next.

use super::reason::{Reason, who_waits};
use super::record::{Event, ProgramRecord, State};
use super::text::plain;
use std::collections::BTreeSet;
use std::fmt;

/// One line. No name that a program chose can break the line, or the commands in it.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.id, self.message)?;
        match self.state {
            State::Reached => self.write_reached(f)?,
            State::Cleared => {
                self.write_programs(f, "It was reached by")?;
                return f.write_str(if self.programs.is_empty() { "" } else { "." });
            }
            State::Suspect => self.write_suspect(f)?,
            State::Denied => self.write_denied(f)?,
            State::UdpStopped => self.write_stopped(f)?,
            State::ConnectionLimit => self.write_connections(f)?,
        }
        write!(f, " Next: {}man halfopen-event-{}.", self.commands(), self.id)
    }
}

impl Event {
    fn write_reached(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_programs(f, "Reached by")?;
        f.write_str(".")?;
        if !self.audited {
            write!(f, " In all, {} wait now.", self.queued)?;
        }
        let Some(reason) = self.reason else { return Ok(()) };
        write!(f, " Reason: {}", reason.name())?;
        match (reason, &self.new_addresses, self.limit) {
            (Reason::Credit, Some(dialled), _) => write!(f, ": of {dialled}."),
            (Reason::Credit, None, _) => f.write_str(": too few of its new addresses have answered."),
            (Reason::Slot, _, Some(limit)) => {
                write!(f, ": at most {limit} may be half-open, and all of these slots are taken.")
            }
            (Reason::Slot, _, None) => f.write_str(": all slots are taken."),
            (Reason::Rate, ..) => f.write_str(": more want to go out than `drain` lets out."),
            (Reason::Turn, ..) => f.write_str(": others go before them."),
            (Reason::Queue, ..) => f.write_str(": it is full."),
            _ => f.write_str("."),
        }?;
        f.write_str(match (reason, self.audited) {
            (Reason::Credit, audited) => who_waits(self.new_addresses.as_ref(), audited),
            (Reason::Slot, false) => " Further calls wait for a slot.",
            (Reason::Slot, true) => " Further calls would wait for a slot.",
            (Reason::Rate | Reason::Turn, false) => " Further calls wait for their turn.",
            (Reason::Rate | Reason::Turn, true) => " Further calls would wait for their turn.",
            (Reason::Queue, false) => " Further calls fail with ENOBUFS.",
            (Reason::Queue, true) => " Further calls would fail with ENOBUFS.",
            // Event 4230 tells of limits on connections.
            _ => "",
        })
    }

    /// Scope, account and programs of 4226.
    fn write_programs(&self, f: &mut fmt::Formatter<'_>, by: &str) -> fmt::Result {
        if self.scope != "host" {
            write!(f, " Scope: {}.", plain(&self.scope))?;
        }
        if let Some(account) = self.other_accounts(None).next() {
            write!(f, " Account: {}.", plain(account))?;
        }
        let Some(top) = self.programs.first() else { return Ok(()) };
        write!(f, " {by} {}: ", top.describe())?;
        match (self.audited, self.state, top.waiting) {
            (true, ..) => write!(f, "{} attempts would have waited", top.attempts)?,
            (false, State::Reached, Some(now)) if now < top.attempts => {
                write!(f, "{now} attempts waiting, {} in all so far", top.attempts)?;
            }
            (false, State::Reached, _) => write!(f, "{} attempts waiting", top.attempts)?,
            _ => write!(f, "{} attempts waited", top.attempts)?,
        }
        if let Some(destination) = top.sample.first() {
            write!(f, ", such as {destination}")?;
        }
        if top.refused > 0 {
            write!(f, ", and {} refused", top.refused)?;
        }
        match self.programs.len() {
            1 => return Ok(()),
            2 => f.write_str("; and by one more program")?,
            n => write!(f, "; and by {} more programs", n - 1)?,
        }
        let others: Vec<String> = self.other_accounts(top.account.as_deref()).map(plain).collect();
        if others.is_empty() { Ok(()) } else { write!(f, " of {}", others.join(", ")) }
    }

    fn write_suspect(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " Scope: {}.", plain(&self.scope))?;
        if let Some(dialled) = &self.new_addresses {
            write!(f, " Lately: {dialled}.")?;
        }
        if let Some(suspect) = &self.suspect {
            write!(f, " First contacts so far, in all: {}.", suspect.first_contacts)?;
        }
        let Some(top) = self.programs.first() else { return Ok(()) };
        let to = top.sample.first().map_or_else(String::new, |to| format!(", to {to}"));
        write!(f, " The latest was made by {}{to}.", top.describe())
    }

    fn write_denied(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(denied) = &self.denied else { return Ok(()) };
        let since = denied.denied + denied.would_have_denied;
        write!(f, " Rule: {}. Calls since its last event: {since}.", plain(&self.scope))?;
        if let Some(top) = self.programs.first() {
            let to = top.sample.first().map_or_else(String::new, |to| format!(", to {to}"));
            write!(f, " The last was made by {}{to}, by {}.", top.describe(), denied.protocol)?;
        }
        f.write_str(if self.audited {
            " Such calls pass; enforced, the rule would have them fail with EPERM."
        } else {
            " Such calls fail with EPERM."
        })
    }

    /// The commands to run next, each with what ends it.
    fn commands(&self) -> String {
        let pid = self.programs.first().map(|top| top.pid.to_string());
        let account = self.account().map(quoted);
        let inspect = account.clone().or(pid.clone()).map(|whom| format!("halfopen inspect {whom}; "));
        let waits = self.state == State::ConnectionLimit && !self.audited;
        let why = pid.as_ref().filter(|_| waits).map(|pid| format!("halfopen why {pid}; "));
        let is_suspect = self.state == State::Suspect;
        let release = account.as_ref().filter(|_| is_suspect);
        let release = release.map(|account| format!("if it may do so, halfopen release {account}; "));
        let block = account.filter(|_| is_suspect || self.reason == Some(Reason::Credit));
        let block = block.map(|account| {
            // Audit mode refuses nothing, so it refuses to block too.
            if self.audited {
                return "if it is a scan, stop it, or enforce the limit: halfopen enforce --for 1h; "
                    .to_owned();
            }
            format!("if it is a scan, halfopen block {account} --for 1h; ")
        });
        [inspect, why, release, block].into_iter().flatten().collect()
    }

    /// The account or scope that the event is of; `None` = the whole host's, or a rule of `[[deny]]`.
    fn account(&self) -> Option<&str> {
        let of_program = self.programs.first().and_then(|top| top.account.as_deref());
        let scope = Some(self.scope.as_str()).filter(|scope| *scope != "host");
        match self.state {
            State::Denied => None,
            State::Reached | State::Cleared => of_program.or(scope),
            State::Suspect | State::UdpStopped | State::ConnectionLimit => scope,
        }
    }

    /// The accounts of its programs besides `named` and its scope, each once.
    fn other_accounts<'a>(&'a self, named: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let mut seen: BTreeSet<&str> = named.into_iter().chain([self.scope.as_str()]).collect();
        let accounts = self.programs.iter().filter_map(|program| program.account.as_deref());
        accounts.filter(move |account| seen.insert(account))
    }
}

/// A name as an argument for a shell: it may be chosen by somebody who hopes that the line is copied.
fn quoted(name: &str) -> String {
    let name = plain(name);
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=-".contains(&byte);
    if !name.starts_with('-') && name.bytes().all(is_safe) {
        return name;
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

impl ProgramRecord {
    /// Name, process, executable, cgroup, user, and the container or unit, safe to print.
    #[must_use]
    pub fn describe(&self) -> String {
        let known = |text: &Option<String>, otherwise: &str| text.as_deref().map_or(otherwise.into(), plain);
        let runs_in = self.runs_in.to_string();
        format!(
            "{} (pid {}, {}, cgroup {}, user {}{})",
            plain(&self.comm),
            self.pid,
            known(&self.exe, "executable unknown"),
            known(&self.cgroup, "unknown"),
            plain(&self.user),
            if runs_in.is_empty() { runs_in } else { format!(", {}", plain(&runs_in)) }
        )
    }
}

#[cfg(test)]
mod tests;
