//! Why attempts wait, and what the new addresses came to that an account dialled.

use halfopen_bpf::{AccountId, Trust};
use halfopen_policy::{Connections, Contact, CreditBucket, PerDestination, PortCell};
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
    /// `connect_rate` lets fewer connections begin than want to.
    ConnectRate,
    /// As many connections are open as `established` allows.
    Established,
    /// As many attempts to its destination are out as `per_destination.half_open` allows.
    DestinationHalfOpen,
    /// `per_destination.connect_rate` lets fewer connections to its destination begin than want to.
    DestinationConnectRate,
    /// As many connections to its destination are open as `per_destination.established` allows.
    DestinationEstablished,
}

/// What an account has to one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AtDestination {
    /// Attempts that are out and unanswered.
    pub out: u64,
    /// Connections that a limit counts, without those.
    pub open: u64,
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
            Self::ConnectRate => "connect_rate",
            Self::Established => "established",
            Self::DestinationHalfOpen => "destination_half_open",
            Self::DestinationConnectRate => "destination_connect_rate",
            Self::DestinationEstablished => "destination_established",
        }
    }

    /// Which limit on connections holds an attempt back in an account in which so many count as open.
    #[must_use]
    pub fn of_connection(limits: &Connections, counted: u64) -> Self {
        let is_full = |most: u32| counted >= u64::from(most);
        match (limits.established, limits.rate) {
            (Some(most), _) if is_full(most) => Self::Established,
            (_, Some(_)) => Self::ConnectRate,
            (Some(_), None) => Self::Established,
            // The limit has ended meanwhile.
            (None, None) => Self::Turn,
        }
    }

    /// Which limit on connections to its destination holds an attempt back, where the account has so much there.
    #[must_use]
    pub fn of_destination(limits: &PerDestination, there: AtDestination) -> Self {
        let is_full = |most: u32, count: u64| count >= u64::from(most);
        match (limits.established, limits.half_open, limits.rate) {
            (Some(most), ..) if is_full(most, there.out + there.open) => Self::DestinationEstablished,
            (_, Some(most), _) if is_full(most, there.out) => Self::DestinationHalfOpen,
            (.., Some(_)) => Self::DestinationConnectRate,
            (Some(_), ..) => Self::DestinationEstablished,
            (_, Some(_), _) => Self::DestinationHalfOpen,
            (None, None, None) => Self::Turn,
        }
    }

    /// The key of the limit on connections that it names and its value in force; `None` if it names none.
    #[must_use]
    pub fn connection_limit(self, limits: &Connections) -> Option<(&'static str, String)> {
        let there = &limits.per_destination;
        let (key, value) = match self {
            Self::ConnectRate => ("connect_rate", limits.rate.map(|of| of.rate.to_string())),
            Self::Established => ("established", limits.established.map(|most| most.to_string())),
            Self::DestinationHalfOpen => {
                ("per_destination.half_open", there.half_open.map(|most| most.to_string()))
            }
            Self::DestinationConnectRate => {
                ("per_destination.connect_rate", there.rate.map(|of| of.rate.to_string()))
            }
            Self::DestinationEstablished => {
                ("per_destination.established", there.established.map(|most| most.to_string()))
            }
            Self::Credit | Self::Slot | Self::Rate | Self::Turn | Self::Queue => return None,
        };
        Some((key, value?))
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
    use halfopen_policy::{ConnectRate, Rate};
    use std::time::Duration;

    #[test]
    fn a_full_limit_holds_back_before_a_rate_does() {
        let rate = Rate::new(20, Duration::from_secs(1)).map(|rate| ConnectRate { rate, burst: None });
        let there = PerDestination { half_open: Some(2), rate, established: Some(5) };
        let limits =
            Connections { rate, established: Some(10), per_destination: there, ..Connections::default() };
        let named = |reason: Reason| reason.connection_limit(&limits).unwrap();
        for (counted, key, value) in [(10, "established", "10"), (9, "connect_rate", "20/s")] {
            assert_eq!(named(Reason::of_connection(&limits, counted)), (key, value.to_owned()));
        }
        for (out, open, key, value) in [
            (2, 3, "per_destination.established", "5"),
            (2, 2, "per_destination.half_open", "2"),
            (1, 3, "per_destination.connect_rate", "20/s"),
        ] {
            let reason = Reason::of_destination(&there, AtDestination { out, open });
            assert_eq!(named(reason), (key, value.to_owned()));
        }
        assert_eq!(Reason::of_connection(&Connections::default(), 7), Reason::Turn);
        assert_eq!(Reason::ConnectRate.connection_limit(&Connections::default()), None);
    }

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
