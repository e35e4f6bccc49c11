//! The scopes of rules and interfaces, the accounts of rules, and letting suspects go on.

use super::{Enforcement, HOST, Means, monotonic};
use crate::config::Rule;
use crate::control::status::ACCOUNTS_LISTED;
use crate::control::{AccountName, Answer, ScopeKind, ScopeStatus, TrustStatus, Whose};
use crate::events::record::written_time;
use crate::exit::WrongUse;
use anyhow::Result;
use halfopen_kernel::{Account, AccountOf, KernelError, Program, ProgramCount, ScopeId, Trust};
use halfopen_policy::{Limits, OnSuspect};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::time::Duration;

/// A scope of a rule or an interface.
#[derive(Debug, Clone)]
pub(super) struct RuleScope {
    pub id: ScopeId,
    pub name: String,
    pub kind: ScopeKind,
    pub limits: Limits,
}

impl Enforcement {
    /// The scopes of rules, in the order in which they are tried, and of interfaces. A rule that meets nobody has none.
    pub(super) fn rule_scopes(&self) -> Vec<RuleScope> {
        let host = self.host_limits();
        let (scopes, interfaces) = (self.limiter.rule_scopes(), self.limiter.interface_scopes());
        let scope = |rule: &Rule, kind, id: Option<&ScopeId>| {
            let name = rule.name().leaf().to_owned();
            Some(RuleScope { id: *id?, name, kind, limits: rule.limits(&host) })
        };
        let rules = self.effective.rules();
        let of_rules =
            rules.scopes().filter_map(|rule| scope(rule, ScopeKind::Rule, scopes.get(rule.name().leaf())));
        let of_interfaces = rules
            .interfaces()
            .filter_map(|rule| scope(rule, ScopeKind::Interface, interfaces.get(rule.name().leaf())));
        of_rules.chain(of_interfaces).collect()
    }

    /// What `status` says of the scopes of rules and interfaces, of the accounts to list, and how many are not listed.
    pub(super) fn rules_status(&mut self) -> Result<(Vec<ScopeStatus>, u64), KernelError> {
        let scopes = self.rule_scopes();
        let mut listed = Vec::with_capacity(scopes.len());
        for scope in &scopes {
            let ledger = self.limiter.ledger(scope.id)?;
            let trust = trust_status(&self.limiter.trust(scope.id)?, &scope.limits);
            listed.push(ScopeStatus {
                trust,
                ..ScopeStatus::new(&scope.name, scope.kind, &scope.limits, &ledger)
            });
        }
        let mut accounts = self.limiter.accounts()?;
        let of = |account: &Account| scopes.iter().find(|scope| scope.id == account.scope);
        accounts.retain(|account| of(account).is_some());
        rank(&mut accounts);
        let unlisted = accounts.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        accounts.truncate(ACCOUNTS_LISTED);
        let programs = self.limiter.programs()?;
        for account in &accounts {
            let Some(scope) = of(account) else { continue };
            let name = name_of(&mut self.means, account, &scope.name, &programs);
            let new = ScopeStatus::new(&name, ScopeKind::Account, &scope.limits, &account.ledger);
            listed.push(ScopeStatus { trust: trust_status(&account.trust, &scope.limits), ..new });
        }
        Ok((listed, unlisted))
    }

    /// Keeps the episodes of rules and interfaces open for as long as any attempt of theirs waits, and ends them. They are
    /// opened by the attempts themselves: the books do not tell which of its scopes an attempt waits for. Returns how many
    /// wait in rules.
    pub(super) fn look_at_rules(&mut self) -> Result<u64, KernelError> {
        let scopes = self.rule_scopes();
        let someone_waits = self.limiter.ledger(ScopeId::HOST)?.queued > 0;
        let has_accounts = someone_waits && scopes.iter().any(|scope| scope.kind == ScopeKind::Rule);
        let accounts = if has_accounts { self.limiter.accounts()? } else { Vec::new() };
        let mut waiting_in_rules = 0;
        for scope in scopes {
            let ledger = self.limiter.ledger(scope.id)?;
            let of_accounts = accounts.iter().filter(|account| account.scope == scope.id);
            let queued = of_accounts.map(|account| account.ledger.queued).sum::<u64>() + ledger.queued;
            if scope.kind == ScopeKind::Rule {
                waiting_in_rules += queued;
            }
            let last_waiter = if queued > 0 { monotonic() } else { ledger.last_waiter };
            if let Some(report) = self.announcer.episodes.look(monotonic(), &scope.name, 0, last_waiter) {
                self.announcer.announce(report, scope.limits.half_open, queued);
            }
        }
        Ok(waiting_in_rules)
    }

    /// Ends the episodes of rules that are no longer in force; `before` were.
    pub(super) fn end_rules(&mut self, before: &[RuleScope]) {
        let now = self.rule_scopes();
        for gone in before.iter().filter(|was| now.iter().all(|scope| scope.name != was.name)) {
            if let Some(report) = self.announcer.episodes.remove(&gone.name) {
                self.announcer.announce(report, gone.limits.half_open, 0);
            }
        }
    }

    /// What the first contacts of the host, or of a scope of `exec`, have come to.
    pub(super) fn trust_of(&self, id: ScopeId, limits: &Limits) -> Result<TrustStatus, KernelError> {
        Ok(trust_status(&self.limiter.trust(id)?, limits))
    }

    /// Lets suspects go on as if nothing had been: all of them, those of one scope, or one account by its number.
    ///
    /// # Errors
    /// For a scope or account that is not there, and where the kernel part refuses.
    pub fn release(&mut self, whom: Option<(String, Option<Whose>)>) -> Result<Answer> {
        let execs = self.scopes.iter().map(|exec| (exec.id, exec.name.clone()));
        let host = std::iter::once((ScopeId::HOST, HOST.to_owned()));
        let rules = self.rule_scopes().into_iter().map(|scope| (scope.id, scope.name));
        let all: Vec<(ScopeId, String)> = host.chain(execs).chain(rules).collect();
        let (named, whose) = whom.unzip();
        let whose = whose.flatten();
        let chosen = |name: &str| named.as_ref().is_none_or(|named| named == name);
        let scopes: Vec<_> = all.iter().filter(|(_, name)| chosen(name)).cloned().collect();
        if scopes.is_empty() {
            let names: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
            let (named, names) = (named.unwrap_or_default(), names.join(", "));
            return Err(WrongUse(format!("there is no scope {named:?}: the scopes are {names}")).into());
        }
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(|account| {
            let is_it = whose.as_ref().is_none_or(|whose| is_of(account.id.of(), whose));
            is_it && scopes.iter().any(|(id, _)| *id == account.scope)
        });
        if let Some(whose) = &whose
            && accounts.is_empty()
        {
            let name = AccountName { scope: named.unwrap_or_default(), whose: Some(whose.clone()) };
            let hint = "it has not connected yet, or so long ago that its account is gone";
            return Err(WrongUse(format!("there is no account {name}: {hint}")).into());
        }
        accounts.retain(|account| account.trust.suspect_since.is_some());
        let mut released = Vec::new();
        if whose.is_none() {
            for (id, name) in &scopes {
                let own = self.limiter.trust(*id)?.suspect_since.is_some();
                if own {
                    released.push(name.clone());
                }
                if own || accounts.iter().any(|account| account.scope == *id) {
                    self.limiter.release(*id, None)?;
                }
            }
        } else {
            for account in &accounts {
                self.limiter.release(account.scope, Some(account.id))?;
            }
        }
        rank(&mut accounts);
        let more = accounts.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        let programs = self.limiter.programs()?;
        for account in accounts.iter().take(ACCOUNTS_LISTED) {
            let scope = scopes.iter().find(|(id, _)| *id == account.scope);
            let scope = scope.map_or("", |(_, name)| name);
            released.push(name_of(&mut self.means, account, scope, &programs));
        }
        for name in &released {
            tracing::info!("{name} is released: it is no suspect any more");
        }
        Ok(Answer::Released { accounts: released, more })
    }
}

/// Those first that are suspects, have waiters, or had any last.
fn rank(accounts: &mut [Account]) {
    accounts.sort_by_key(|account| {
        let Account { trust, ledger, .. } = account;
        Reverse((trust.suspect_since.is_some(), ledger.queued, ledger.last_waiter, trust.first_contacts))
    });
}

fn is_of(account: AccountOf, whose: &Whose) -> bool {
    match (account, whose) {
        (AccountOf::Cgroup(id), Whose::Cgroup(number)) => id == *number,
        (AccountOf::User(uid), Whose::User(number)) => uid == *number,
        (AccountOf::Process { pid, .. }, Whose::Process(number, _)) => pid == *number,
        _ => false,
    }
}

fn name_of(means: &mut Means, account: &Account, scope: &str, programs: &[ProgramCount]) -> String {
    let mut identify =
        |uid, cgroup_id| means.identify(&Program { pid: 0, uid, comm: String::new(), cgroup_id });
    let whose = match account.id.of() {
        AccountOf::Cgroup(id) => identify(0, id).cgroup.map_or(Whose::Cgroup(id), Whose::CgroupAt),
        AccountOf::User(uid) => Whose::UserNamed(identify(uid, 0).user),
        AccountOf::Process { pid, .. } => {
            let program = programs.iter().find(|count| count.program.pid == pid);
            Whose::Process(pid, program.map_or_else(String::new, |count| count.program.comm.clone()))
        }
    };
    AccountName { scope: scope.to_owned(), whose: Some(whose) }.to_string()
}

fn trust_status(trust: &Trust, limits: &Limits) -> TrustStatus {
    let Some(first) = &limits.first_contact else { return TrustStatus::default() };
    let blocked_until = match (first.on_suspect, trust.suspect_since) {
        (OnSuspect::Block(time), Some(since)) => Some(since + time).filter(|until| *until > monotonic()),
        _ => None,
    };
    TrustStatus {
        suspect_since: trust.suspect_since.map(on_the_wall),
        blocked_until: blocked_until.map(on_the_wall),
        credit: Some(trust.credit),
        first_contacts: Some(trust.first_contacts),
    }
}

/// A time of the kernel part's clock as events write it.
fn on_the_wall(time: Duration) -> String {
    let (now, moment) = (Timestamp::now(), monotonic());
    let moved = if time > moment { now.checked_add(time - moment) } else { now.checked_sub(moment - time) };
    written_time(moved.unwrap_or(now))
}
