//! Clears suspects.

use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{AccountName, Answer, Whose};
use crate::daemon::accounts::{name_of, rank};
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::exit::WrongUse;
use anyhow::Result;
use halfopen_bpf::{Account, AccountOf, Program, ScopeId};

impl Enforcement {
    /// Clears suspects: all of them, those of one scope, or one account by its number.
    ///
    /// # Errors
    /// If the scope or account does not exist, or if the kernel part refuses.
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
            let known: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
            let (named, known) = (named.unwrap_or_default(), known.join(", "));
            return Err(WrongUse(format!("there is no scope {named:?}: the scopes are {known}")).into());
        }
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(|account| {
            let is_it = whose.as_ref().is_none_or(|whose| is_of(account, whose));
            is_it && scopes.iter().any(|(id, _)| *id == account.id.scope)
        });
        if let Some(whose) = &whose
            && accounts.is_empty()
        {
            let name = AccountName { scope: named.unwrap_or_default(), whose: Some(whose.clone()) };
            let hint =
                "it has not connected yet, or its account is gone because its last connect was too long ago";
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
                if own || accounts.iter().any(|account| account.id.scope == *id) {
                    self.limiter.release(*id, None)?;
                }
            }
        } else {
            for account in &accounts {
                self.limiter.release(account.id.scope, Some(account.id.id))?;
            }
        }
        rank(&mut accounts);
        let more = accounts.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        let programs = self.limiter.programs()?;
        for account in accounts.iter().take(ACCOUNTS_LISTED) {
            let scope = scopes.iter().find(|(id, _)| *id == account.id.scope);
            let scope = scope.map_or("", |(_, name)| name);
            let identify = |program: &Program| self.means.identify(program);
            released.push(name_of(identify, account, scope, &programs));
        }
        for name in &released {
            tracing::info!("{name} is released: it is no longer a suspect");
        }
        Ok(Answer::Released { accounts: released, more })
    }
}

/// Whether `whose` names this account. An account by cgroup can be named by its cgroup or, if that is gone, by its
/// number.
fn is_of(account: &Account, whose: &Whose) -> bool {
    let Some(of) = account.id.of() else { return false };
    match (of, whose) {
        (AccountOf::Cgroup(id), Whose::Cgroup(number)) => account.cgroup == *number || id == *number,
        (AccountOf::User(uid), Whose::User(number)) => uid == *number,
        (AccountOf::UserNamespace(of), Whose::UserNamespace(number)) => of == *number,
        (AccountOf::Process { pid, .. }, Whose::Process(number, _)) => pid == *number,
        _ => false,
    }
}
