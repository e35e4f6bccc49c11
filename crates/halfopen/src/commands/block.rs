//! `block`: refuses the connections of an account for a time.

use super::ask;
use super::named_account::resolved;
use crate::control::{AccountName, Answer, Request};
use crate::events::text::plain;
use crate::output;
use anyhow::Result;
use std::time::Duration;

pub fn block(name: AccountName, time: Duration) -> Result<()> {
    let account = resolved(name)?;
    let for_ms = u64::try_from(time.as_millis())?;
    match ask(&Request::Block { account, for_ms })? {
        (_, Answer::Blocked { account, until, was }) => {
            let was = was.map_or_else(String::new, |was| format!(" (was blocked until {was})"));
            let account = plain(&account);
            output::line(&format!(
                "blocked {account} until {until}{was}; `halfopen release '{account}'` ends it"
            ))
        }
        (client, other) => Err(client.unexpected(&other).into()),
    }
}
