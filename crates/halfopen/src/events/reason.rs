//! Why attempts wait, and what the new addresses came to that an account dialled.

use halfopen_bpf::{AccountId, Trust};
use halfopen_policy::{Contact, CreditBucket, PortCell};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// Why an attempt waits, or was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is a first contact, and its account has spent its credit on others.
    Credit,
    /// As many attempts are half-open as `half_open` allows.
    Slot,
    /// `drain` lets out fewer than want to go.
    Rate,
    /// Nothing but its turn: others go before it.
    Turn,
    /// It was refused: the queue was full.
    Queue,
}

impl Reason {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Slot => "slot",
            Self::Rate => "rate",
            Self::Turn => "turn",
            Self::Queue => "queue",
        }
    }
}

/// What the last new addresses came to that an account dialled: about a hundred, and those without an answer yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewAddresses {
    /// How many there were.
    pub dialled: u32,
    /// How many answered. Answers that come from one network hardly count.
    pub answered: u32,
    /// A port on which they were dialled; `None` = it does not matter which.
    pub port: Option<u16>,
    /// Whether other ports count together with this one.
    pub and_other_ports: bool,
    /// Whether addresses that a DNS answer has named count apart from these.
    pub strangers: bool,
}

impl NewAddresses {
    /// Those of `account` that count together with a `contact` with `destination`; `None` if it is no first contact, or
    /// if nothing was heard yet.
    #[must_use]
    pub fn like(
        account: AccountId,
        trust: &Trust,
        contact: Contact,
        destination: SocketAddr,
    ) -> Option<Self> {
        let Contact::First(bucket) = contact else { return None };
        let heard = trust.heard_from(bucket);
        let dialled = heard.answers + heard.silences + heard.pending;
        if dialled == 0 {
            return None;
        }
        let (port, and_other_ports) = match bucket {
            CreditBucket::Port(cell) => {
                let counts = |port: &u16| PortCell::of(account.id, *port) == cell;
                let port = Some(destination.port()).filter(counts);
                (port, (1..=u16::MAX).filter(counts).nth(1).is_some())
            }
            _ => (None, false),
        };
        let strangers = matches!(bucket, CreditBucket::Port(_) | CreditBucket::Strangers);
        Some(Self { dialled, answered: heard.answers, port, and_other_ports, strangers })
    }
}

/// Whose calls wait where those that `dialled` tells of have spent the credit.
pub(super) fn who_waits(dialled: Option<&NewAddresses>, audited: bool) -> &'static str {
    match (dialled.is_some_and(|dialled| dialled.strangers), audited) {
        (true, false) => " Its calls to strangers wait for credit; known and named peers are untouched.",
        (true, true) => {
            " Its calls to strangers would wait for credit; known and named peers would be untouched."
        }
        (false, false) => " Its calls to new addresses wait for credit; known peers are untouched.",
        (false, true) => " Its calls to new addresses would wait for credit; known peers would be untouched.",
    }
}

/// For people: `17 new addresses on port 22, 0 answered`.
impl fmt::Display for NewAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = if self.dialled == 1 { "address" } else { "addresses" };
        write!(f, "{} new {addresses}", self.dialled)?;
        match self.port {
            Some(port) if self.and_other_ports => write!(f, " on ports such as {port}")?,
            Some(port) => write!(f, " on port {port}")?,
            None => {}
        }
        write!(f, ", {} answered", self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::{Heard, ScopeId};

    #[test]
    fn ports_that_count_together_are_not_told_as_one() {
        let account = AccountId { scope: ScopeId::HOST, id: 7 };
        let heard = Heard { answers: 1, silences: 12, pending: 4 };
        let trust = Trust {
            heard_of_ports: [heard; PortCell::COUNT as usize],
            heard_named: heard,
            ..Trust::default()
        };
        let told = |bucket, port: u16| {
            let destination = ([198, 18, 0, 7], port).into();
            NewAddresses::like(account, &trust, Contact::First(bucket), destination).unwrap().to_string()
        };
        let of_port = |port| told(CreditBucket::Port(PortCell::of(account.id, port)), port);
        assert_eq!(of_port(443), "17 new addresses on port 443, 1 answered");
        assert_eq!(of_port(22), "17 new addresses on ports such as 22, 1 answered");
        assert_eq!(told(CreditBucket::Named, 443), "17 new addresses, 1 answered");
        let like = |contact| NewAddresses::like(account, &trust, contact, ([198, 18, 0, 7], 22).into());
        assert_eq!((like(Contact::Known), like(Contact::First(CreditBucket::Foreign))), (None, None));
    }
}
