//! What the attempts of a program or to a destination are doing.

use crate::control::{AttemptStatus, ScopeKind, Subject, Why};
use crate::daemon::accounts::{Charged, held_back_by};
use crate::daemon::destinations::Destinations;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::requests::named_attempts::is_comm;
use anyhow::Result;
use halfopen_bpf::{AccountId, Attempt, AttemptState, ScopeId};
use halfopen_policy::Mode;
use std::collections::HashMap;
use std::net::IpAddr;

/// How many attempts `why` lists.
pub(crate) const LISTED: usize = 1_000;

impl Enforcement {
    /// The attempts of a program or account, or to a destination, and what they wait for.
    ///
    /// # Errors
    /// If the walk fails.
    pub fn why(&mut self, subject: &Subject) -> Result<Why> {
        let mut found: Vec<Attempt> = self.limiter.attempts()?;
        let destinations = self.destinations(&found)?;
        let mut note = self.note_on(subject);
        if let Subject::Name(name) = subject {
            let incomplete = self.retain_named(name, &mut found)?;
            note = note.or(incomplete);
        } else {
            found.retain(|attempt| concerns(attempt, subject));
        }
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        let in_all = found.len();
        found.truncate(LISTED);
        let charged = self.charged(found.iter().filter_map(|attempt| attempt.own))?;
        let host = self.scope_status(ScopeId::HOST, HOST, ScopeKind::Host, &self.host_limits())?;
        let attempts = found.iter().map(|attempt| explained(attempt, &charged, &destinations)).collect();
        let address = address_of(subject);
        let named = address.map(|address| self.named(address)).transpose()?.flatten();
        Ok(Why { host, note, named, in_all, attempts, unwatched: None })
    }

    pub(super) fn note_on(&self, subject: &Subject) -> Option<String> {
        let settings = self.resolved.settings();
        let address = address_of(subject);
        let port =
            if let Subject::Destination(destination) = subject { Some(destination.port()) } else { None };
        if let Some(denied) = address.and_then(|address| self.denied_by(address, port)) {
            return Some(denied);
        }
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

/// Whether `subject` stands for this attempt. Of a name, only that of the program is looked at.
pub(crate) fn concerns(attempt: &Attempt, subject: &Subject) -> bool {
    match subject {
        Subject::Pid(pid) => attempt.program.pid == *pid,
        Subject::Address(address) => attempt.destination.ip() == *address,
        Subject::Destination(destination) => attempt.destination == *destination,
        Subject::Name(name) => is_comm(&attempt.program.comm, name),
    }
}

pub(super) fn address_of(subject: &Subject) -> Option<IpAddr> {
    match subject {
        Subject::Pid(_) | Subject::Name(_) => None,
        Subject::Address(address) => Some(*address),
        Subject::Destination(destination) => Some(destination.ip()),
    }
}

pub(crate) fn explained(
    attempt: &Attempt,
    charged: &HashMap<AccountId, Charged>,
    destinations: &Destinations,
) -> AttemptStatus {
    let there = destinations.at(attempt.own, attempt.destination);
    let own = attempt.own.and_then(|own| charged.get(&own));
    let waits_for =
        (attempt.state == AttemptState::Queued).then(|| match charged.get(&held_back_by(attempt)) {
            None => "its next re-check: the scope that it waited for has ended".to_owned(),
            Some(holds_back) => {
                let reason = holds_back.holds_back(attempt.waits_for, attempt.contact, there);
                holds_back.status.waited_for(reason)
            }
        });
    AttemptStatus::new(attempt, own.map(|own| &own.status), waits_for)
}
