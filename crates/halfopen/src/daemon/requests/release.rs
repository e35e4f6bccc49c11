//! Clears suspects.

use super::named_account::KnownScope;
use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{Answer, Whose};
use crate::daemon::accounts::rank;
use crate::daemon::enforcement::Enforcement;
use anyhow::Result;
use halfopen_bpf::Account;

impl Enforcement {
    /// Clears suspects: all of them, those of one scope, or one account.
    ///
    /// # Errors
    /// If the scope or account does not exist, or if the kernel part refuses.
    pub fn release(&mut self, whom: Option<(String, Option<Whose>)>) -> Result<Answer> {
        let (released, more) = match whom {
            Some((scope, Some(whose))) => {
                let found = self.find_account(&scope, Some(&whose))?;
                let is_suspect = |account: &Account| account.trust.suspect_since.is_some();
                if found.account.as_ref().is_some_and(is_suspect) {
                    self.limiter.release(found.id.scope, Some(found.id.id))?;
                    (vec![found.name], 0)
                } else {
                    (Vec::new(), 0)
                }
            }
            Some((scope, None)) => {
                let found = self.find_account(&scope, None)?;
                self.release_all(&[found.scope])?
            }
            None => self.release_all(&self.known_scopes())?,
        };
        for name in &released {
            tracing::info!("{name} is released: it is no longer a suspect");
        }
        Ok(Answer::Released { accounts: released, more })
    }

    /// Clears all suspects of these scopes. Returns the names of some, and how many more there were.
    fn release_all(&mut self, scopes: &[KnownScope]) -> Result<(Vec<String>, u64)> {
        let mut accounts = self.limiter.accounts()?;
        accounts.retain(|account| {
            let is_among = scopes.iter().any(|scope| scope.id == account.id.scope);
            is_among && account.trust.suspect_since.is_some()
        });
        let mut released = Vec::new();
        for KnownScope { id, name, .. } in scopes {
            let own = self.limiter.trust(*id)?.suspect_since.is_some();
            if own {
                released.push(name.clone());
            }
            if own || accounts.iter().any(|account| account.id.scope == *id) {
                self.limiter.release(*id, None)?;
            }
        }
        rank(&mut accounts);
        let more = accounts.len().saturating_sub(ACCOUNTS_LISTED) as u64;
        accounts.truncate(ACCOUNTS_LISTED);
        let ids = accounts.iter().map(|account| account.id).collect();
        released.extend(self.name_accounts(&ids, accounts)?.into_iter().map(|account| account.name));
        Ok((released, more))
    }
}
