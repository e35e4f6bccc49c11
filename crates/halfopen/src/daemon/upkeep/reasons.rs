//! Why the attempts of an episode wait, for its event.

use crate::daemon::accounts::{Charged, held_back_by};
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::upkeep::long_waits::waits_for_slot;
use crate::events::episode::State;
use crate::events::{NewAddresses, Reason, Report, Tally};
use halfopen_bpf::{AccountId, Attempt, KernelError, ScopeId};
use halfopen_policy::Contact;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many accounts speak for all: each is looked up by name too, which takes the privileged helper.
const ACCOUNTS: usize = 32;

impl Enforcement {
    /// Adds to the report that begins an episode why its attempts wait, and what its first program dialled. A report
    /// must not be lost with that.
    pub(in crate::daemon) fn explain_waits(&mut self, report: &mut Report) {
        if report.state != State::Reached {
            return;
        }
        let Ok(waiting) = self.waiting_in(&report.scope, report.audited) else { return };
        let own = report.programs.iter().filter_map(|tally| tally.own);
        let mut own: HashSet<AccountId> = own.collect();
        for account in waiting.iter().filter_map(|attempt| attempt.own) {
            if own.len() < ACCOUNTS {
                own.insert(account);
            }
        }
        let charged = self.charged(own.into_iter());
        let Ok(charged) = charged else { return };
        let refused = report.programs.iter().map(|tally| tally.refused).sum();
        let refused = if self.queue_is_full() { refused } else { 0 };
        let reason = most_wait_for(&waiting, refused, &charged);
        if !report.audited {
            for tally in &mut report.programs {
                let of_program = waiting.iter().filter(|attempt| attempt.program == tally.program);
                tally.waiting = Some(of_program.count() as u64);
            }
        }
        let Some(top) = report.programs.first() else { return };
        report.reason = reason;
        if report.audited {
            report.reason = self.would_wait_for(&report.scope, top, &charged);
        }
        let contact =
            |attempt: &&Attempt| attempt.program == top.program && attempt.contact != Contact::Known;
        let first_contact =
            waiting.iter().find(contact).map(|attempt| (attempt.contact, attempt.destination));
        let first_contact = first_contact.or_else(|| Some((top.contact, *top.sample.first()?)));
        if report.reason == Some(Reason::Credit)
            && let Some((contact, destination)) = first_contact
        {
            let account = top.own.unwrap_or(AccountId::of_scope(ScopeId::HOST));
            let trust = charged.get(&account).map(|charged| &charged.trust);
            report.new_addresses =
                trust.and_then(|trust| NewAddresses::like(account, trust, contact, destination));
        }
    }

    /// The attempts that wait now and belong to the episode of this scope.
    fn waiting_in(&self, scope: &str, audited: bool) -> Result<Vec<Attempt>, KernelError> {
        // Nothing waits in audit mode.
        let mut attempts = if audited { Vec::new() } else { self.limiter.attempts()? };
        let names = self.narrower_scopes().into_iter().collect();
        attempts.retain(|attempt| waits_for_slot(attempt) && self.noted_in(attempt, &names) == Some(scope));
        Ok(attempts)
    }

    /// Why the attempts of a program would have waited, by what its account and scope have now.
    fn would_wait_for(
        &self,
        scope: &str,
        top: &Tally,
        charged: &HashMap<AccountId, Charged>,
    ) -> Option<Reason> {
        let narrower = self.narrower_scopes();
        let id = narrower.iter().find(|(_, name)| name == scope).map(|(id, _)| *id);
        let id = id.or((scope == HOST).then_some(ScopeId::HOST))?;
        let holds_back = top.own.filter(|own| own.scope == id).unwrap_or(AccountId::of_scope(id));
        let holds_back = charged.get(&holds_back)?;
        let costs = top.contact != Contact::Known && holds_back.limits.first_contact.is_some();
        // Nobody goes first where nobody waits. Some credit may have come back since.
        Some(match holds_back.holds_back_by(top.contact) {
            Reason::Turn if costs => Reason::Credit,
            reason => reason,
        })
    }

    fn queue_is_full(&self) -> bool {
        let queued = self.limiter.ledger(ScopeId::HOST).map_or(0, |ledger| ledger.queued);
        queued >= u64::from(self.host_limits().queue)
    }
}

/// Why most of these attempts wait, or were refused by a full queue. Where more first contacts wait than there is credit for, most of them wait for
/// credit, even if some has come back a moment ago.
fn most_wait_for(waiting: &[Attempt], refused: u64, charged: &HashMap<AccountId, Charged>) -> Option<Reason> {
    let mut alike: BTreeMap<(AccountId, Contact), u64> = BTreeMap::new();
    for attempt in waiting {
        *alike.entry((held_back_by(attempt), attempt.contact)).or_default() += 1;
    }
    let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
    for ((account, contact), attempts) in alike {
        let Some(holds_back) = charged.get(&account) else { continue };
        let credit = holds_back.credit_for(contact);
        let short = credit.is_some_and(|credit| u64::from(credit) < attempts);
        let reason = if short { Reason::Credit } else { holds_back.holds_back_by(contact) };
        *reasons.entry(reason).or_default() += attempts;
    }
    if refused > 0 {
        reasons.insert(Reason::Queue, refused);
    }
    reasons.into_iter().max_by_key(|(_, attempts)| *attempts).map(|(reason, _)| reason)
}
