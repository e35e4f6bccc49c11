//! The scopes of rules and interfaces and the accounts of rules, for answers and events.

use crate::config::Rule;
use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{ConnectionsStatus, ScopeKind, ScopeStatus, TrustStatus};
use crate::daemon::account_name::AccountIs;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::rule_scope::RuleScope;
use crate::events::{AtDestination, Reason};
use crate::utc_time::UtcTime;
use halfopen_bpf::{Account, AccountId, Attempt, KernelError, ScopeId, Trust, WaitsFor, monotonic};
use halfopen_policy::{Contact, Limits, OnSuspect};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// A scope or account that an attempt can be charged to.
#[derive(Debug)]
pub(crate) struct Charged {
    pub status: ScopeStatus,
    pub limits: Limits,
    pub trust: Trust,
}

impl Charged {
    /// Why an attempt that is held back here waits for this, where its account has so much at its destination.
    pub fn holds_back(&self, waits_for: WaitsFor, contact: Contact, there: AtDestination) -> Reason {
        let limits = &self.limits.connections;
        match waits_for {
            WaitsFor::Slot => self.holds_back_by(contact),
            WaitsFor::Connection => {
                let counted = self.status.connections.as_ref().map_or(0, ConnectionsStatus::counted);
                Reason::of_connection(limits, counted)
            }
            WaitsFor::Destination => Reason::of_destination(&limits.per_destination, there),
        }
    }

    /// Why an attempt that is held back here waits, if not for a connection.
    pub fn holds_back_by(&self, contact: Contact) -> Reason {
        if self.credit_for(contact) == Some(0) {
            Reason::Credit
        } else {
            self.status.holds_back_by(self.limits.strict)
        }
    }

    /// How many contacts of this kind it may make now; `None` = they cost nothing here, or none was made.
    pub fn credit_for(&self, contact: Contact) -> Option<u32> {
        match contact {
            Contact::Known => None,
            Contact::First(bucket) => self.limits.first_contact.and_then(|_| self.trust.credit_for(bucket)),
        }
    }
}

/// The scope or account that holds `attempt` back, while it is queued.
pub(in crate::daemon) fn held_back_by(attempt: &Attempt) -> AccountId {
    match attempt.own {
        Some(own) if own.scope == attempt.held_back_by => own,
        _ => AccountId::of_scope(attempt.held_back_by),
    }
}

impl Enforcement {
    /// What [`Enforcement::rule_scopes`] keeps.
    pub(in crate::daemon) fn find_rule_scopes(&self) -> Rc<[RuleScope]> {
        let host = self.host_limits();
        let (scopes, interfaces) = (self.limiter.rule_scopes(), self.limiter.interface_scopes());
        let rules = self.resolved.rules();
        let scope = |rule: &Rule, kind, id: Option<&ScopeId>| {
            let name = rule.name().leaf().to_owned();
            Some(RuleScope { id: *id?, name, kind, limits: rules.limits(rule, &host) })
        };
        let of_rules =
            rules.scopes().filter_map(|rule| scope(rule, ScopeKind::Rule, scopes.get(rule.name().leaf())));
        let of_interfaces = rules
            .interfaces()
            .filter_map(|rule| scope(rule, ScopeKind::Interface, interfaces.get(rule.name().leaf())));
        of_rules.chain(of_interfaces).collect()
    }

    /// The numbers of a scope that is not an account.
    pub(in crate::daemon) fn scope_status(
        &self,
        id: ScopeId,
        name: &str,
        kind: ScopeKind,
        limits: &Limits,
    ) -> Result<ScopeStatus, KernelError> {
        let new = ScopeStatus::new(name, kind, limits, &self.limiter.ledger(id)?);
        let by_hand = self.limiter.hand_blocks()?.get(&AccountId::of_scope(id)).copied();
        Ok(ScopeStatus { trust: trust_status(&self.limiter.trust(id)?, limits, by_hand), ..new })
    }

    /// What `status` shows for the scopes of rules and interfaces and for the listed accounts, and how many accounts
    /// are not listed.
    pub(in crate::daemon) fn rules_status(
        &mut self,
    ) -> Result<(Vec<(AccountId, ScopeStatus)>, u64), KernelError> {
        let scopes = self.rule_scopes();
        let listed = scopes.iter().map(|scope| {
            let status = self.scope_status(scope.id, &scope.name, scope.kind, &scope.limits);
            status.map(|status| (AccountId::of_scope(scope.id), status))
        });
        let mut listed: Vec<(AccountId, ScopeStatus)> = listed.collect::<Result<_, _>>()?;
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(|account| scopes.iter().any(|scope| scope.id == account.id.scope));
        rank(&mut accounts);
        let unlisted = accounts.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        accounts.truncate(ACCOUNTS_LISTED);
        let accounts = self.accounts_status(&accounts, &scopes)?;
        listed.extend(accounts.into_iter().map(|(account, charged)| (account, charged.status)));
        Ok((listed, unlisted))
    }

    /// What `status` shows for these accounts.
    pub(in crate::daemon) fn accounts_status(
        &mut self,
        accounts: &[Account],
        scopes: &[RuleScope],
    ) -> Result<Vec<(AccountId, Charged)>, KernelError> {
        let programs = self.limiter.programs()?;
        let by_hand = self.limiter.hand_blocks()?;
        let charged = accounts.iter().filter_map(|account| {
            let scope = scopes.iter().find(|scope| scope.id == account.id.scope)?;
            let AccountIs { name, runs_in } = self.means.name_account(account, &scope.name, &programs);
            let new = ScopeStatus::new(&name, ScopeKind::Account, &scope.limits, &account.ledger);
            let by_hand = by_hand.get(&account.id).copied();
            let trust = trust_status(&account.trust, &scope.limits, by_hand);
            let status = ScopeStatus { runs_in, trust, ..new };
            Some((account.id, Charged { status, limits: scope.limits, trust: account.trust }))
        });
        Ok(charged.collect())
    }

    /// All scopes that attempts can be charged to, and these `accounts`.
    pub(in crate::daemon) fn charged(
        &mut self,
        accounts: impl Iterator<Item = AccountId>,
    ) -> Result<HashMap<AccountId, Charged>, KernelError> {
        let named: HashSet<AccountId> = accounts.filter(|account| account.id != 0).collect();
        let rules = self.rule_scopes();
        let host = (ScopeId::HOST, HOST.to_owned(), ScopeKind::Host, self.host_limits());
        let execs = self.scopes.iter().map(|exec| (exec.id, exec.name.clone(), ScopeKind::Exec, exec.limits));
        let of_rules = rules.iter().map(|scope| (scope.id, scope.name.clone(), scope.kind, scope.limits));
        let scopes: Vec<_> = std::iter::once(host).chain(execs).chain(of_rules).collect();
        let mut charged = HashMap::new();
        for (scope, name, kind, limits) in scopes {
            let status = self.scope_status(scope, &name, kind, &limits)?;
            let trust = self.limiter.trust(scope)?;
            charged.insert(AccountId::of_scope(scope), Charged { status, limits, trust });
        }
        if !named.is_empty() {
            let mut accounts = self.limiter.accounts()?;
            accounts.retain(|account| named.contains(&account.id));
            charged.extend(self.accounts_status(&accounts, &rules)?);
        }
        Ok(charged)
    }
}

/// Puts suspects first, then accounts with waiters, with stopped UDP, and with the latest waiter.
pub(crate) fn rank(accounts: &mut [Account]) {
    accounts.sort_by_key(|account| {
        let Account { trust, ledger, .. } = account;
        let stopped = ledger.datagrams.stopped + ledger.datagrams.would_have_been_stopped;
        let waited = (ledger.last_waiter, trust.first_contacts);
        Reverse((trust.suspect_since.is_some(), ledger.queued, stopped, waited))
    });
}

/// `by_hand`: until when it is blocked by hand.
pub(crate) fn trust_status(trust: &Trust, limits: &Limits, by_hand: Option<Duration>) -> TrustStatus {
    let Some(first) = &limits.first_contact else {
        return TrustStatus { blocked_until: by_hand.map(on_the_wall), ..TrustStatus::default() };
    };
    let blocked_until = match (first.on_suspect, trust.suspect_since) {
        (OnSuspect::Block(time), Some(since)) => Some(since + time).filter(|until| *until > monotonic()),
        _ => None,
    };
    TrustStatus {
        suspect_since: trust.suspect_since.map(on_the_wall),
        blocked_until: blocked_until.max(by_hand).map(on_the_wall),
        credit: Some(trust.least_credit()),
        credit_named: trust.credit_named,
        credit_foreign: trust.credit_foreign,
        first_contacts: Some(trust.first_contacts),
    }
}

/// Converts a time of the kernel part's clock to one of the calendar.
pub(crate) fn on_the_wall(time: Duration) -> UtcTime {
    let now = monotonic();
    match time.checked_sub(now) {
        Some(ahead) => UtcTime::ahead(ahead),
        None => UtcTime::ago(now.saturating_sub(time)),
    }
}
