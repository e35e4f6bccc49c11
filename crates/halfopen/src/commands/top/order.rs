//! What an operator may have done, what it means, and the request for it.

use crate::commands::named_account::resolved;
use crate::control::{AccountName, Request, ScopeKind, ScopeStatus};
use crate::events::text::plain;
use anyhow::Result;

/// For how long an account is blocked.
const BLOCK_MS: u64 = 3_600_000;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Clear a suspect, or end a block.
    Release(AccountName),
    /// Refuse an account's connections for an hour.
    Block(AccountName),
    /// Set a limit.
    Limit {
        /// The key.
        key: String,
        /// Its value now.
        was: String,
        /// Its new value.
        value: String,
    },
}

impl Order {
    /// What will happen, as a question.
    pub fn question(&self) -> String {
        match self {
            Self::Release(name) => format!(
                "Release {}?\nIt is then no longer a suspect and no longer blocked, by hand or otherwise.",
                plain(&name.to_string())
            ),
            Self::Block(name) => format!(
                "Block {} for 1 hour?\nIts connect() calls fail at once with EPERM, whatever the address, and its \
                 attempts that wait fail. Connections that are established stay. Releasing it ends the block.",
                plain(&name.to_string())
            ),
            Self::Limit { key, was, value } => format!(
                "Set {} = {} (now {was})?\nIt counts at once for {}, until the configuration is read again or the \
                 daemon ends; `halfopen set --save` keeps it.",
                plain(key),
                plain(value),
                whom(key)
            ),
        }
    }

    /// The request for it.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn request(&self) -> Result<Request> {
        Ok(match self.clone() {
            Self::Release(name) => Request::Release { account: Some(resolved(name)?) },
            Self::Block(name) => Request::Block { account: resolved(name)?, for_ms: BLOCK_MS },
            Self::Limit { key, value, .. } => Request::Set { name: key, value, save: false, dry_run: false },
        })
    }
}

fn whom(key: &str) -> String {
    match key.strip_prefix("scope.").and_then(|key| key.strip_suffix(".half_open")) {
        Some(scope) => format!("{} and each of its accounts", plain(scope)),
        None if key.starts_with("host.") => "all attempts of this host".to_owned(),
        None => "all attempts through this interface".to_owned(),
    }
}

/// The key of the `half_open` that a scope or account goes by.
pub fn limit_key(of: &ScopeStatus) -> String {
    let scope = of.name.parse::<AccountName>().map_or_else(|_| of.name.clone(), |name| name.scope);
    match of.kind {
        ScopeKind::Host => "host.half_open".to_owned(),
        ScopeKind::Interface => format!("interface.{}.half_open", of.name),
        ScopeKind::Exec | ScopeKind::Rule | ScopeKind::Account => format!("scope.{scope}.half_open"),
    }
}
