//! What contacts with unknown addresses cost in a scope: the numbers of a configuration.

use crate::abi;
use crate::limits::Rate;
use crate::native::{port_cell, takes_names};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The rules for first contacts. A first contact is an attempt to an address that has not answered lately,
/// and costs a credit. Answers earn credit, silence earns none. Credit also comes back by itself, more slowly
/// the more contacts were silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstContact {
    /// How many first contacts may go out before any has been answered, and what credit recovers to; 1 to
    /// [`FirstContact::MOST`]. For addresses that a DNS answer has named it is twice as many.
    pub credit: u32,
    /// The first hypothesis of the sequential test (Jung, Paxson, Berger, Balakrishnan 2004): the share of a
    /// scan's first contacts that are answered. `None`: there is no test; answers earn nothing, silence slows
    /// no account, and no account is a suspect.
    pub answers_of_a_scan: Option<Share>,
    /// The second hypothesis: the share for a program that looks for peers. It must be larger than a scan's.
    pub answers_of_peers: Share,
    /// How often a credit comes back. Every twelve silences that no answer outweighs halve the rate, down to
    /// one credit in 512 s.
    pub rate: Rate,
    /// 0: an address that answered lately is known. Otherwise (1 to [`FirstContact::WORKING_SET_MOST`]) as
    /// many addresses as this are known: the last contacted from this scope, whether they answered or not.
    pub working_set: u32,
    /// Which waiter goes out when credit is available.
    pub order: Order,
    /// What happens to a scope whose first contacts mostly fail.
    pub on_suspect: OnSuspect,
}

/// A share of first contacts that are answered, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// `None` unless 0 < `in_a_thousand` < 1000.
    #[must_use]
    pub fn new(in_a_thousand: u16) -> Option<Self> {
        (0 < in_a_thousand && in_a_thousand < 1000).then_some(Self(in_a_thousand))
    }

    /// The share in thousandths: above 0, and below 1000.
    #[must_use]
    pub fn in_a_thousand(self) -> u16 {
        self.0
    }

    fn probability(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10.0)
    }
}

/// Text that is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no share: write a percentage from \"0.1%\" to \"99.9%\"")]
pub struct NotAShare;

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let percent = text.strip_suffix('%').ok_or(NotAShare)?;
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let number = |digits: &str, longest: usize| {
            let digits = (1..=longest).contains(&digits.len()).then_some(digits)?;
            digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<u16>().ok())?
        };
        let in_a_thousand = number(whole, 2).ok_or(NotAShare)? * 10 + number(tenth, 1).ok_or(NotAShare)?;
        Self::new(in_a_thousand).ok_or(NotAShare)
    }
}

/// The credit bucket from which a first contact is paid. An account keeps each of them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CreditBucket {
    /// Contacts with addresses that a DNS answer has named lately.
    Named,
    /// All other contacts, whatever the port: they spend from this bucket and from their port's.
    Strangers,
    /// These other contacts on the ports of one cell.
    Port(PortCell),
    /// All contacts from network namespaces that the initial user namespace does not own.
    Foreign,
}

/// Ports that share their evidence in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortCell(u8);

impl PortCell {
    /// How many cells there are.
    pub const COUNT: u8 = abi::PORT_CELLS as u8;

    /// The cell of a port, in the account with this number.
    #[must_use]
    pub fn of(account: u64, port: u16) -> Self {
        Self(port_cell(account, port))
    }

    /// The cell with this number; `None` unless it is below [`PortCell::COUNT`].
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Whether a named address counts as named on these ports.
    #[must_use]
    pub fn takes_names(self) -> bool {
        takes_names(self.0)
    }

    /// Its number, below [`PortCell::COUNT`].
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The kind of an attempt's address, in the order in which attempts go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Contact {
    /// It costs nothing.
    #[default]
    Known,
    /// It costs credit.
    First(CreditBucket),
}

impl Contact {
    /// The credit buckets that it spends from.
    pub fn buckets(self) -> impl Iterator<Item = CreditBucket> {
        let (of, beside) = match self {
            Self::Known => (None, None),
            Self::First(bucket @ CreditBucket::Port(_)) => (Some(bucket), Some(CreditBucket::Strangers)),
            Self::First(bucket) => (Some(bucket), None),
        };
        of.into_iter().chain(beside)
    }

    /// The rank of attempts within a party, the lowest first: all ports have the same rank.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Known => 0,
            Self::First(CreditBucket::Named) => 1,
            Self::First(CreditBucket::Strangers | CreditBucket::Port(_)) => 2,
            Self::First(CreditBucket::Foreign) => 3,
        }
    }

    /// Whether it costs credit.
    #[must_use]
    pub fn is_first(self) -> bool {
        self != Self::Known
    }
}

/// Which of the waiting first contacts goes out next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest waiter.
    Oldest,
    /// The newest or the oldest waiter: from the side whose last contact was answered.
    #[default]
    Either,
}

/// What happens to a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSuspect {
    /// Status and events report it.
    #[default]
    Notify,
    /// Also, its answers earn no more than their cost, and its credit comes back at the slowest rate.
    Throttle,
    /// Also, for this long its `connect()` fails at once with `EPERM`, whatever the address.
    Block(Duration),
}

impl FirstContact {
    /// The largest `credit`.
    pub const MOST: u32 = 10_000;
    /// The largest `working_set`.
    pub const WORKING_SET_MOST: u32 = abi::WORKING_SET;

    /// Whether the two shares make a test, or there is none: a program that looks for peers must be answered
    /// more often than a scan.
    #[must_use]
    pub fn is_a_test(&self) -> bool {
        self.answers_of_a_scan.is_none_or(|scan| scan < self.answers_of_peers)
    }

    /// How many silences an answer outweighs: the quotient of the two log-likelihood ratios. `None` without a
    /// test.
    #[must_use]
    pub fn worth(&self) -> Option<f64> {
        let scan = self.answers_of_a_scan.filter(|scan| *scan < self.answers_of_peers)?;
        let [peers, scan] = [self.answers_of_peers, scan].map(Share::probability);
        Some((peers / scan).ln() / ((1.0 - scan) / (1.0 - peers)).ln())
    }

    /// The same in the kernel part's unit: sixteenths; 0 without a test.
    #[must_use]
    #[allow(clippy::cast_sign_loss, reason = "with fewer answers of a scan than of peers it is above zero")]
    pub fn worth_in_parts(&self) -> u32 {
        self.worth().map_or(0, |worth| ((worth * f64::from(abi::CREDIT)).round() as u32).max(1))
    }

    /// The preset `adaptive`. The workloads of this crate's simulation check that it meets its aims.
    #[must_use]
    pub fn adaptive() -> Self {
        Self {
            credit: 32,
            answers_of_a_scan: Some(Share(20)),
            answers_of_peers: Share(100),
            rate: Rate::of_interval(Duration::from_millis(500)),
            working_set: 0,
            order: Order::Either,
            on_suspect: OnSuspect::Notify,
        }
    }

    /// The preset `virus-throttle`: one first contact a second beyond a working set of five (Williamson
    /// 2002).
    #[must_use]
    pub fn virus_throttle() -> Self {
        Self {
            credit: 1,
            answers_of_a_scan: None,
            answers_of_peers: Share(100),
            rate: Rate::of_interval(Duration::from_secs(1)),
            working_set: 5,
            order: Order::Oldest,
            on_suspect: OnSuspect::Notify,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_shown() {
        for in_a_thousand in 1..1000 {
            let share = Share::new(in_a_thousand);
            assert_eq!(share.map(|share| share.to_string().parse()), share.map(Ok));
        }
        for text in [
            "", "%", "2", "0%", "0.0%", "100%", "2.55%", "0.05%", "2.%", ".5%", "+2%", "2 %", "-2%", "2.0.0%",
        ] {
            assert_eq!(text.parse::<Share>(), Err(NotAShare), "{text:?}");
        }
    }

    #[test]
    fn an_answer_outweighs_what_the_likelihoods_say() {
        let adaptive = FirstContact::adaptive();
        assert_eq!(adaptive.worth_in_parts(), 302, "18.9 silences");
        assert_eq!(FirstContact { answers_of_a_scan: None, ..adaptive }.worth(), None);
        let as_often = FirstContact { answers_of_a_scan: Some(adaptive.answers_of_peers), ..adaptive };
        assert!(!as_often.is_a_test() && as_often.worth().is_none());
    }
}
