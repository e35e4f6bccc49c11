//! Asks the daemon, apart from the screen: an answer may take a while.

use super::order::Order;
use crate::commands::show::asked_status;
use crate::commands::{ask, named_account::resolved};
use crate::control::{AccountName, Answer, Inspected, Inspection, Request, Status};
use crate::exit::explained;
use anyhow::Result;

/// What the daemon is asked.
#[derive(Debug)]
pub enum Question {
    /// For its numbers, and for what is known of an account.
    Look(Option<AccountName>),
    /// To carry out an order.
    Carry(Order),
}

/// The numbers, and what is known of the account that was asked about.
pub type Look = (Status, Option<Inspection>);

/// The numbers, or why there are none. An account that is gone has no inspection.
pub fn look(inspected: Option<AccountName>) -> Result<Look, String> {
    let status = asked_status().map_err(|e| explained(&e))?;
    let inspection = inspected.filter(|_| status.unwatched.is_none()).and_then(|name| inspect(name).ok());
    Ok((status, inspection))
}

fn inspect(name: AccountName) -> Result<Inspection> {
    match ask(&Request::Inspect { subject: Inspected::Account(resolved(name)?) })? {
        (_, Answer::Inspection(inspection)) => Ok(*inspection),
        (client, other) => Err(client.unexpected(&other).into()),
    }
}

/// What became of an order, for people.
pub fn carry(order: &Order) -> String {
    order.request().and_then(|request| ask(&request)).map_or_else(
        |e| format!("nothing was done: {}", explained(&e)),
        |(client, answer)| match answer {
            Answer::Released { accounts, .. } if accounts.is_empty() => {
                "it was neither a suspect nor blocked".to_owned()
            }
            Answer::Released { accounts, .. } => format!("released {}", accounts.join(", ")),
            Answer::Blocked { account, until, .. } => format!("blocked {account} until {until}"),
            Answer::Changed { name, was, now, .. } => format!("{name} = {now} (was {was})"),
            other => client.unexpected(&other).to_string(),
        },
    )
}
