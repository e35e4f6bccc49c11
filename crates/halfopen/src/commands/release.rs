//! `release`: clears suspects.

use super::ask;
use super::named_account::resolved;
use crate::control::{AccountName, Answer, Request};
use crate::events::text::plain;
use crate::output;
use anyhow::Result;

/// `None` clears all of them.
pub fn release(name: Option<AccountName>) -> Result<()> {
    let account = name.map(resolved).transpose()?;
    let nothing = match &account {
        Some(_) => "nothing to release: it is neither a suspect nor blocked",
        None => "nothing to release: no account is a suspect or blocked",
    };
    match ask(&Request::Release { account })? {
        (_, Answer::Released { accounts, .. }) if accounts.is_empty() => output::line(nothing),
        (_, Answer::Released { accounts, more }) => {
            accounts.iter().try_for_each(|account| output::line(&format!("released {}", plain(account))))?;
            if more > 0 { output::line(&format!("released {more} more accounts")) } else { Ok(()) }
        }
        (client, other) => Err(client.unexpected(&other).into()),
    }
}
