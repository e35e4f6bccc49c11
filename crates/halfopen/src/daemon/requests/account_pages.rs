//! Scopes, accounts by page, and attempts that wait: lists that `status` has no room for.

use super::why::{LISTED, explained};
use crate::control::{AccountName, Answer, AttemptStatus, ScopeStatus};
use crate::daemon::enforcement::Enforcement;
use crate::exit::WrongUse;
use anyhow::Result;
use halfopen_bpf::{Account, AccountId, AttemptState};

/// How many accounts or attempts are listed if nothing is said.
const USUAL: u32 = 100;

/// Which accounts are asked for.
#[derive(Debug)]
pub(super) struct AccountsAsked {
    pub scope: Option<String>,
    pub name: Option<AccountName>,
    pub suspects: bool,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

impl Enforcement {
    /// The host, the scopes of `exec`, and the scopes of rules and interfaces.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
    pub(super) fn scopes(&self) -> Result<Vec<ScopeStatus>> {
        let scopes = self.known_scopes();
        let status =
            scopes.iter().map(|scope| self.scope_status(scope.id, &scope.name, scope.kind, &scope.limits));
        Ok(status.collect::<Result<_, _>>()?)
    }

    /// A page of accounts, in the order of their numbers: those do not change while others come and go.
    ///
    /// # Errors
    /// If there is no such scope or account, if the cursor is none, or if the kernel part cannot be read.
    pub(super) fn accounts(&mut self, asked: &AccountsAsked) -> Result<Answer> {
        let scopes = self.rule_scopes();
        if let Some(name) =
            asked.scope.as_ref().filter(|name| scopes.iter().all(|scope| scope.name != **name))
        {
            let known: Vec<&str> = scopes.iter().map(|scope| scope.name.as_str()).collect();
            let known = known.join(", ");
            return Err(WrongUse(format!(
                "there is no scope {name:?} with accounts: the scopes are {known}"
            ))
            .into());
        }
        let after = asked.cursor.as_deref().map(read_cursor).transpose()?;
        let only = match &asked.name {
            Some(name) => Some(self.find_account(name)?.id),
            None => None,
        };
        let is_meant = |account: &Account| {
            let scope = scopes.iter().find(|scope| scope.id == account.id.scope);
            let Some(scope) = scope else { return false };
            asked.scope.as_ref().is_none_or(|name| *name == scope.name)
                && only.is_none_or(|id| id == account.id)
                && (!asked.suspects || account.trust.suspect_since.is_some())
                && after.is_none_or(|after| place(account.id) > after)
        };
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(is_meant);
        accounts.sort_unstable_by_key(|account| account.id);
        let most = (asked.limit.unwrap_or(USUAL) as usize).clamp(1, LISTED);
        let more = accounts.len() > most;
        accounts.truncate(most);
        let next = accounts.last().filter(|_| more).map(|last| place(last.id));
        let next = next.map(|(scope, id)| format!("{scope}.{id}"));
        let accounts = self.accounts_status(&accounts, &scopes)?;
        Ok(Answer::Accounts {
            accounts: accounts.into_iter().map(|(_, charged)| charged.status).collect(),
            next,
        })
    }

    /// The attempts that wait now, those first that have waited longest.
    ///
    /// # Errors
    /// If the walk over the sockets fails.
    pub(super) fn waiting(&mut self, limit: Option<u32>) -> Result<Answer> {
        let mut found = self.limiter.attempts()?;
        found.retain(|attempt| attempt.state == AttemptState::Queued);
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        let in_all = found.len() as u64;
        found.truncate((limit.unwrap_or(USUAL) as usize).min(LISTED));
        let destinations = self.destinations(&found)?;
        let charged = self.charged(found.iter().filter_map(|attempt| attempt.own))?;
        let attempts: Vec<AttemptStatus> =
            found.iter().map(|attempt| explained(attempt, &charged, &destinations)).collect();
        Ok(Answer::Attempts { in_all, attempts })
    }
}

/// Where an account stands in the order of all.
fn place(account: AccountId) -> (u32, u64) {
    (account.scope.number(), account.id)
}

fn read_cursor(text: &str) -> Result<(u32, u64), WrongUse> {
    let read = || {
        let (scope, id) = text.split_once('.')?;
        Some((scope.parse().ok()?, id.parse().ok()?))
    };
    read().ok_or_else(|| WrongUse(format!("{text:?} is no cursor: take `next` of the page before")))
}
