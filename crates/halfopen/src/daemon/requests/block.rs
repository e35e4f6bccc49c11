//! Blocks an account by hand, for a time.

use super::named_account::NamedAccount;
use crate::config::{RuleName, Words};
use crate::control::trial::LONGEST;
use crate::control::{AccountName, Answer, BlockedStatus, ScopeKind};
use crate::daemon::accounts::on_the_wall;
use crate::daemon::enforcement::Enforcement;
use anyhow::{Result, bail};
use halfopen_bpf::{AccountId, KernelError, Per, monotonic};
use halfopen_policy::Mode;
use std::collections::BTreeSet;
use std::time::Duration;

impl Enforcement {
    /// Refuses all connects of an account for `time` from now, whether it was blocked before or not.
    ///
    /// # Errors
    /// If there is no such account, if it stands for more than one, if the mode is not enforce, or if the kernel part
    /// refuses. Nothing has changed then.
    pub fn block(&mut self, account: &AccountName, time: Duration) -> Result<Answer> {
        let found = self.find_account(account)?;
        self.must_be_one_account(&found)?;
        let mode = self.mode_now();
        if mode != Mode::Enforce {
            bail!(
                "mode is {}, which refuses nothing: nothing was blocked. `halfopen enforce --for 1h` enforces for an \
                 hour",
                mode.word()
            );
        }
        let was = self.limiter.hand_blocks()?.get(&found.id).map(|until| on_the_wall(*until));
        let until = monotonic() + time.min(LONGEST);
        self.limiter.block(found.id, until)?;
        let (account, until) = (found.name, on_the_wall(until));
        tracing::warn!("{account} is blocked by hand until {until}: its connects fail");
        Ok(Answer::Blocked { account, until, was })
    }

    /// Refuses names that stand for many accounts, or for attempts that nobody can tell apart before they begin.
    fn must_be_one_account(&self, found: &NamedAccount) -> Result<()> {
        let name = &found.name;
        if found.id.id != 0 {
            return Ok(());
        }
        let rule = self.resolved.rules().find(&RuleName::Scope(found.scope.name.clone()));
        match found.scope.kind {
            ScopeKind::Host => bail!("{name} is every program of this machine: name one of the accounts"),
            ScopeKind::Interface => {
                bail!("{name} is an interface: name the account of those who connect through it")
            }
            ScopeKind::Rule if rule.is_some_and(|rule| rule.per() != Per::Rule) => bail!(
                "{name} has an account for each {}: name one of them; `halfopen inspect {name}` lists them",
                rule.map_or("", |rule| rule.per().word())
            ),
            _ => Ok(()),
        }
    }

    /// Logs which blocks by hand have ended by themselves.
    ///
    /// # Errors
    /// If the kernel part cannot be read or written.
    pub(in crate::daemon) fn tell_ended_blocks(&mut self) -> Result<(), KernelError> {
        let ended: BTreeSet<AccountId> = self.limiter.forget_ended_blocks()?.into_iter().collect();
        if ended.is_empty() {
            return Ok(());
        }
        let accounts = self.limiter.accounts()?;
        for account in self.name_accounts(&ended, accounts)? {
            tracing::info!("the block by hand of {} has ended", account.name);
        }
        Ok(())
    }

    /// The accounts that are blocked by hand.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
    pub(super) fn blocked_by_hand(&mut self) -> Result<Vec<BlockedStatus>> {
        let blocks = self.limiter.hand_blocks()?;
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
        let ids: BTreeSet<_> = blocks.keys().copied().collect();
        let accounts = self.limiter.accounts()?;
        let named = self.name_accounts(&ids, accounts)?;
        let status = |account: NamedAccount| {
            let until = on_the_wall(*blocks.get(&account.id)?);
            Some(BlockedStatus { account: account.name, until })
        };
        Ok(named.into_iter().filter_map(status).collect())
    }
}
