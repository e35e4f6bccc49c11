//! Events of rules: their episodes, and accounts that have become suspects.

use crate::config::Action;
use crate::control::ScopeKind;
use crate::daemon::accounts::{Charged, RuleScope};
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::events::SuspectReport;
use crate::events::Tally;
use halfopen_bpf::{AccountId, HeldAttempt, KernelError, ScopeId, monotonic};
use halfopen_policy::OnSuspect;

impl Enforcement {
    /// Keeps the episodes of rules and interfaces open while any of their attempts waits, and ends them afterwards. The
    /// attempts themselves open them: the accounting does not tell which of its scopes an attempt waits for. Returns
    /// how many attempts wait in rules.
    pub(in crate::daemon) fn look_at_rules(&mut self) -> Result<u64, KernelError> {
        let scopes = self.rule_scopes();
        let someone_waits = self.limiter.ledger(ScopeId::HOST)?.queued > 0;
        let has_accounts = someone_waits && scopes.iter().any(|scope| scope.kind == ScopeKind::Rule);
        let accounts = if has_accounts { self.limiter.accounts()? } else { Vec::new() };
        let mut waiting_in_rules = 0;
        for scope in scopes {
            let ledger = self.limiter.ledger(scope.id)?;
            let of_accounts = accounts.iter().filter(|account| account.id.scope == scope.id);
            let queued = of_accounts.map(|account| account.ledger.queued).sum::<u64>() + ledger.queued;
            if scope.kind == ScopeKind::Rule {
                waiting_in_rules += queued;
            }
            let last_waiter = if queued > 0 { monotonic() } else { ledger.last_waiter };
            if let Some(report) = self.announcer.episodes.look(monotonic(), &scope.name, 0, last_waiter) {
                self.announce(report, scope.limits.half_open, queued);
            }
        }
        Ok(waiting_in_rules)
    }

    /// Ends the episodes of rules that were in force `before` and no longer are.
    pub(in crate::daemon) fn end_rules(&mut self, before: &[RuleScope]) {
        let now = self.rule_scopes();
        for gone in before.iter().filter(|was| now.iter().all(|scope| scope.name != was.name)) {
            if let Some(report) = self.announcer.episodes.remove(&gone.name) {
                self.announce(report, gone.limits.half_open, 0);
            }
        }
    }

    /// Notes that the silence of `attempt` has made an account a suspect: its own if first contacts cost credit there,
    /// or else its interface's or the host's.
    pub(in crate::daemon) fn note_suspect(&mut self, rules: &[RuleScope], attempt: HeldAttempt) {
        let execs = self.scopes.iter().map(|exec| (exec.id, exec.name.as_str(), &exec.limits));
        let of_rules = rules.iter().map(|scope| (scope.id, scope.name.as_str(), &scope.limits));
        let scopes: Vec<_> = execs.chain(of_rules).collect();
        let costs = |id: ScopeId| {
            let scope = scopes.iter().find(|(known, ..)| *known == id)?;
            scope.2.first_contact.map(|_| scope.1.to_owned())
        };
        let own = attempt.own.and_then(|own| Some((own, costs(own.scope)?)));
        let interface = || attempt.interface.and_then(|id| Some((AccountId::of_scope(id), costs(id)?)));
        let host = || (AccountId::of_scope(ScopeId::HOST), HOST.to_owned());
        let (account, scope) = own.or_else(interface).unwrap_or_else(host);
        self.announcer.suspects.note(scope, account, attempt);
    }

    /// Writes the events of suspects that are due.
    pub(in crate::daemon) fn announce_suspects(&mut self) -> Result<(), KernelError> {
        for due in self.announcer.suspects.due(monotonic()) {
            let charged = self.charged(std::iter::once(due.account))?;
            // Since then it may have been released, or its rule may be gone.
            let Some(Charged { status, limits, .. }) = charged.get(&due.account) else { continue };
            let Some(first) = &limits.first_contact else { continue };
            let identity = self.means.identify(&due.attempt.program);
            let block_for = if let OnSuspect::Block(time) = first.on_suspect { Some(time) } else { None };
            let report = SuspectReport {
                account: status.name.clone(),
                program: Tally {
                    attempts: 1,
                    refused: 0,
                    sample: vec![due.attempt.destination],
                    program: due.attempt.program,
                    identity: Some(identity),
                },
                first_contacts: status.trust.first_contacts.unwrap_or_default(),
                on_suspect: Action::from(first.on_suspect),
                block_for,
                suspects: due.suspects,
            };
            self.announcer.announce_suspect(report, limits.half_open, status.queued);
        }
        Ok(())
    }
}
