//! The account that a user names, in the form that the daemon finds.

use crate::config::Accounts;
use crate::control::Whose;
use crate::name_service::finding_users_here;
use anyhow::{Context, Result};

/// Resolves a user's name to its number: the daemon may not read /etc/passwd.
pub fn resolved(whose: Whose) -> Result<Whose> {
    let Whose::UserNamed(name) = whose else { return Ok(whose) };
    let number = finding_users_here(|| Accounts::known().id(&name));
    Ok(Whose::User(number.with_context(|| format!("there is no user {name}: getent passwd finds none"))?))
}
