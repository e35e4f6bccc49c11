//! What the daemon gathers for the history between two minutes. Pure: the caller passes the time and the readings.

pub(super) mod dials;
pub(super) mod minutes;
pub(super) mod waits;

use crate::daemon::rule_scope::RuleScope;
use dials::Dials;
use halfopen_bpf::{AccountId, Became, RingEvent, ScopeId};
use minutes::Minutes;
use std::collections::HashMap;
use std::time::Duration;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    pub minutes: Minutes,
    pub dials: Dials,
    /// The minute that goes on, counted from the beginning of 1970.
    pub minute: Option<u64>,
    /// When the ledgers of accounts may be read again, on the kernel's monotonic clock.
    pub next_look: Duration,
    names: HashMap<AccountId, String>,
    /// The scopes that these names are of: a number may become another scope's.
    named_in: Vec<(ScopeId, String)>,
}

impl Chronicle {
    /// Notes an event of the kernel part.
    pub fn hear(&mut self, told: &RingEvent) {
        match told {
            RingEvent::Held(held) => self.dials.held(held),
            RingEvent::Suspect(attempt) => self.dials.suspect(attempt),
            RingEvent::Began(_) => {}
            RingEvent::Turn(turn) => match turn.became {
                Became::Out { released: true } => {
                    if let Some((account, wait)) = self.dials.released(turn.at, turn.cookie) {
                        self.minutes.waited(account, wait);
                    }
                }
                Became::Left => self.dials.left(turn.cookie),
                Became::Asked | Became::Out { released: false } | Became::Ended { .. } | Became::Closed => {}
            },
        }
    }

    /// The name of an account, if it is known.
    pub fn name(&self, account: AccountId) -> Option<&String> {
        self.names.get(&account)
    }

    /// Notes the name of an account.
    pub fn is_called(&mut self, account: AccountId, name: String) {
        self.names.insert(account, name);
    }

    /// Forgets names that other scopes than these gave, and those of accounts that nobody has looked at lately.
    pub fn names_of(&mut self, scopes: &[RuleScope]) {
        let now: Vec<_> = scopes.iter().map(|scope| (scope.id, scope.name.clone())).collect();
        if now != self.named_in {
            self.names.clear();
            self.named_in = now;
        }
        self.names.retain(|account, _| self.minutes.knows(*account));
    }
}
