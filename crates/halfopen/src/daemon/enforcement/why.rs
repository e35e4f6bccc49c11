//! What the attempts of a program, or to a destination, are doing.

use super::Enforcement;
use crate::control::{AttemptStatus, Status, Subject, Why};
use anyhow::Result;
use halfopen_kernel::{Attempt, AttemptState};
use halfopen_policy::Mode;

/// Attempts that `why` lists.
const LISTED: usize = 1_000;

impl Enforcement {
    /// The attempts of a program or to a destination, and what they wait for.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn why(&mut self, subject: Subject) -> Result<Why> {
        let status = self.status()?;
        let mut found: Vec<Attempt> = self.limiter.attempts()?;
        found.retain(|attempt| match subject {
            Subject::Pid(pid) => attempt.program.pid == pid,
            Subject::Address(address) => attempt.destination.ip() == address,
            Subject::Destination(destination) => attempt.destination == destination,
        });
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        let attempts = found.iter().take(LISTED).map(|attempt| self.explained(attempt, &status)).collect();
        Ok(Why { host: status.host, note: self.note_on(subject), in_all: found.len(), attempts })
    }

    fn explained(&self, attempt: &Attempt, status: &Status) -> AttemptStatus {
        let exec = attempt.scope.and_then(|id| self.scopes.iter().find(|scope| scope.id == id));
        let rule = attempt.scope.and_then(|id| self.rule_scopes().into_iter().find(|scope| scope.id == id));
        let waits_for = (attempt.state == AttemptState::Queued).then(|| {
            let host = (&status.host, self.host_limits().strict);
            let narrower = exec.and_then(|exec| {
                let numbers = status.scopes.iter().find(|scope| scope.name == exec.name)?;
                (numbers.queued > 0).then_some((numbers, exec.limits.strict))
            });
            let (numbers, strict) = narrower.unwrap_or(host);
            numbers.waited_for(strict)
        });
        let name = exec.map(|exec| &exec.name).or(rule.as_ref().map(|rule| &rule.name));
        AttemptStatus::new(attempt, name.map(String::as_str), waits_for)
    }

    fn note_on(&self, subject: Subject) -> Option<String> {
        let settings = self.effective.settings();
        let address = match subject {
            Subject::Pid(_) => None,
            Subject::Address(address) => Some(address),
            Subject::Destination(destination) => Some(destination.ip()),
        };
        let exempt =
            address.and_then(|address| settings.exempt.iter().find(|prefix| prefix.contains(&address)));
        match (self.mode_now(), exempt) {
            (_, Some(prefix)) => {
                Some(format!("{prefix} is exempt: attempts to it are never counted or held"))
            }
            (Mode::Audit, None) => Some("mode is audit: nothing is held".into()),
            (Mode::Off, None) => Some("mode is off: nothing is held or counted".into()),
            (Mode::Enforce, None) => None,
        }
    }
}
