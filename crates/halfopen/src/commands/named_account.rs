//! The account that a user names, in the form that the daemon finds.

use crate::config::Accounts;
use crate::control::{AccountName, Whose};
use crate::name_service::finding_users_here;
use anyhow::{Context, Result};

/// Resolves a user's name to its number: the daemon may not read /etc/passwd.
pub fn resolved(name: AccountName) -> Result<AccountName> {
    let Some(Whose::UserNamed(user)) = &name.whose else { return Ok(name) };
    let number = finding_users_here(|| Accounts::known().id(user));
    let number = number.with_context(|| format!("there is no user {user}: getent passwd finds none"))?;
    Ok(AccountName { whose: Some(Whose::User(number)), ..name })
}
