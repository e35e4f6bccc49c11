//! Clears suspects, and ends blocks by hand.

use super::named_account::KnownScope;
use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{AccountName, Answer};
use crate::daemon::enforcement::Enforcement;
use anyhow::Result;
use halfopen_bpf::{Account, AccountId};
use std::collections::BTreeSet;

impl Enforcement {
    /// Clears suspects and ends blocks by hand: all of them, those of one scope, or that of one account.
    ///
    /// # Errors
    /// If the scope or account does not exist, or if the kernel part refuses.
    pub fn release(&mut self, account: Option<&AccountName>) -> Result<Answer> {
        let (released, more) = match account {
            Some(account) if account.whose.is_some() => {
                let found = self.find_account(account)?;
                let is_suspect = |account: &Account| account.trust.suspect_since.is_some();
                let was_suspect = found.account.as_ref().is_some_and(is_suspect);
                if was_suspect {
                    self.limiter.release(found.id.scope, Some(found.id.id))?;
                }
                let was_blocked = self.limiter.unblock(found.id)?;
                (if was_suspect || was_blocked { vec![found.name] } else { Vec::new() }, 0)
            }
            Some(scope) => {
                let found = self.find_account(scope)?;
                self.release_all(&[found.scope])?
            }
            None => self.release_all(&self.known_scopes())?,
        };
        for name in &released {
            tracing::info!("{name} is released: it is neither a suspect nor blocked any more");
        }
        Ok(Answer::Released { accounts: released, more })
    }

    /// Releases all accounts of these scopes. Returns the names of some, and how many more there were.
    fn release_all(&mut self, scopes: &[KnownScope]) -> Result<(Vec<String>, u64)> {
        let mut accounts = self.limiter.accounts()?;
        let is_among = |id: &AccountId| scopes.iter().any(|scope| scope.id == id.scope);
        accounts.retain(|account| is_among(&account.id) && account.trust.suspect_since.is_some());
        let mut released = Vec::new();
        let blocked: BTreeSet<AccountId> = self.limiter.hand_blocks()?.into_keys().filter(is_among).collect();
        for id in &blocked {
            self.limiter.unblock(*id)?;
        }
        for KnownScope { id, name, .. } in scopes {
            let own = self.limiter.trust(*id)?.suspect_since.is_some();
            if own && !blocked.contains(&AccountId::of_scope(*id)) {
                released.push(name.clone());
            }
            if own || accounts.iter().any(|account| account.id.scope == *id) {
                self.limiter.release(*id, None)?;
            }
        }
        let suspects = accounts.iter().map(|account| account.id);
        let ids: BTreeSet<AccountId> = suspects.chain(blocked).collect();
        let accounts = self.limiter.accounts()?;
        // Each name is looked up.
        let more = ids.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        let ids = ids.into_iter().take(ACCOUNTS_LISTED).collect();
        released.extend(self.name_accounts(&ids, accounts)?.into_iter().map(|account| account.name));
        Ok((released, more))
    }
}
