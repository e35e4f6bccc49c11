//! Events of rules: their episodes, and accounts that have become suspects.

use super::connection_limits::SlotWaiters;
use crate::config::Action;
use crate::control::ScopeKind;
use crate::daemon::accounts::Charged;
use crate::daemon::enforcement::Enforcement;
use crate::daemon::rule_scope::RuleScope;
use crate::events::{Named, NewAddresses, Report, SuspectReport, Tally};
use halfopen_bpf::{AccountId, HeldAttempt, KernelError, ScopeId, monotonic};
use halfopen_policy::{Mode, OnSuspect};

impl Enforcement {
    /// Keeps the episodes of rules and interfaces open while any of their attempts waits, and ends them afterwards. The
    /// attempts themselves open them: the accounting does not tell which of its scopes an attempt waits for. Returns
    /// how many attempts wait in rules.
    pub(in crate::daemon) fn look_at_rules(&mut self) -> Result<u64, KernelError> {
        let scopes = self.rule_scopes();
        let someone_waits = self.limiter.ledger(ScopeId::HOST)?.queued > 0;
        let has_accounts = someone_waits && scopes.iter().any(|scope| scope.kind == ScopeKind::Rule);
        let accounts = if has_accounts { self.limiter.accounts()? } else { Vec::new() };
        let to_connect = self.waiting_to_connect()?;
        let mut waiting_in_rules = 0;
        for scope in scopes.iter() {
            let ledger = self.limiter.ledger(scope.id)?;
            let of_accounts = accounts.iter().filter(|account| account.id.scope == scope.id);
            let ledgers = || of_accounts.clone().map(|account| &account.ledger).chain([&ledger]);
            let queued = ledgers().map(|ledger| ledger.queued).sum::<u64>();
            let for_connections = ledgers().map(|ledger| ledger.connections.waiting).sum::<u64>();
            let waiting = SlotWaiters::of(&ledger, 0, to_connect);
            if scope.kind == ScopeKind::Rule {
                waiting_in_rules += queued;
            }
            let last_waiter = if queued > for_connections { monotonic() } else { waiting.last };
            if let Some(report) = self.announcer.episodes.look(monotonic(), &scope.name, 0, last_waiter) {
                self.announce(report, scope.limits.half_open, queued);
            }
        }
        Ok(waiting_in_rules)
    }

    /// Adds the names of the accounts that the programs of `report` are charged to.
    pub(in crate::daemon) fn name_accounts_of(&mut self, report: &mut Report) {
        let unnamed = report.programs.iter().filter(|tally| tally.account.is_none());
        let unnamed: Vec<AccountId> = unnamed.filter_map(|tally| tally.own).collect();
        if unnamed.is_empty() {
            return;
        }
        // The event must not be lost with the names.
        let Ok(charged) = self.charged(unnamed.into_iter()) else { return };
        for tally in &mut report.programs {
            let name = tally.own.and_then(|own| charged.get(&own)).map(|charged| charged.status.name.clone());
            tally.account = tally.account.take().or(name);
        }
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
        let execs = self.scopes.iter().map(|exec| (exec.id, &exec.limits));
        let scopes: Vec<_> = execs.chain(rules.iter().map(|scope| (scope.id, &scope.limits))).collect();
        let costs =
            |id: ScopeId| scopes.iter().any(|(known, limits)| *known == id && limits.first_contact.is_some());
        let own = attempt.own.filter(|own| costs(own.scope));
        let interface = || attempt.interface.filter(|id| costs(*id)).map(AccountId::of_scope);
        let account = own.or_else(interface).unwrap_or(AccountId::of_scope(ScopeId::HOST));
        self.announcer.suspects.note(account, attempt);
    }

    /// Looks up the names of new suspects, and writes the events that are due.
    pub(in crate::daemon) fn announce_suspects(&mut self) -> Result<(), KernelError> {
        let unnamed = self.announcer.suspects.unnamed();
        if !unnamed.is_empty() {
            // Since then the rules of some may be gone.
            let charged = self.charged(unnamed.iter().copied())?;
            let Self { announcer, means, .. } = self;
            announcer.suspects.name(&unnamed, |account, attempt| {
                let account = charged.get(&account)?.status.name.clone();
                Some(Named { account, program: means.identify(&attempt.program) })
            });
        }
        let due = self.announcer.suspects.due(monotonic());
        if due.is_empty() {
            return Ok(());
        }
        let charged = self.charged(due.iter().map(|due| due.account))?;
        for mut due in due {
            self.means.name_again(&mut due.names.program, due.attempt.program.cgroup_id);
            let Some(Charged { status, limits, trust }) = charged.get(&due.account) else { continue };
            let Some(first) = &limits.first_contact else { continue };
            let block_for = if let OnSuspect::Block(time) = first.on_suspect { Some(time) } else { None };
            let report = SuspectReport {
                account: due.names.account.clone(),
                program: Tally {
                    attempts: 1,
                    waiting: None,
                    refused: 0,
                    contact: due.attempt.contact,
                    sample: vec![due.attempt.destination],
                    program: due.attempt.program,
                    identity: Some(due.names.program),
                    own: Some(due.account),
                    account: Some(due.names.account),
                },
                new_addresses: NewAddresses::like(
                    due.account,
                    trust,
                    due.attempt.contact,
                    due.attempt.destination,
                ),
                audited: self.mode_now() != Mode::Enforce,
                first_contacts: status.trust.first_contacts.unwrap_or_default(),
                on_suspect: Action::from(first.on_suspect),
                block_for,
                others: due.others,
                suspects: due.suspects,
            };
            self.announcer.announce_suspect(report, limits.half_open, status.queued);
        }
        Ok(())
    }
}
