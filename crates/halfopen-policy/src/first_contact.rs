//! What a scope asks of contacts with addresses that are not known to it: the numbers of a configuration.

use crate::limits::Rate;
use crate::native::{port_cell, takes_names};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A first contact is an attempt to an address that has not answered lately. Each costs a credit; answers earn credit,
/// silence earns none, and what comes back by itself comes the slower the more was met with silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstContact {
    /// First contacts that may go out before any has been answered, and what credit recovers to; 1 to
    /// [`FirstContact::MOST`]. With addresses that a DNS answer has named: twice as many.
    pub credit: u32,
    /// The first hypothesis of the sequential test (Jung, Paxson, Berger, Balakrishnan 2004): how many of a scan's first
    /// contacts are answered. `None`: there is no test. Answers earn nothing, silence slows nobody, nobody is a suspect.
    pub answers_of_a_scan: Option<Share>,
    /// The second one: how many of those of a program that looks for peers. More than a scan's.
    pub answers_of_peers: Share,
    /// So often a credit comes back. Silences that no answer outweighs halve it, every twelve of them, to one in 512 s.
    pub rate: Rate,
    /// 0: an address is known that answered lately. Otherwise (1 to [`FirstContact::WORKING_SET_MOST`]): the last so many
    /// addresses contacted from this scope, whether they answered or not.
    pub working_set: u32,
    /// Which waiter goes out when a credit is there.
    pub order: Order,
    /// What is done about a scope whose first contacts mostly fail.
    pub on_suspect: OnSuspect,
}

/// So many first contacts in a thousand are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// `None` unless 0 < `in_a_thousand` < 1000.
    #[must_use]
    pub fn new(in_a_thousand: u16) -> Option<Self> {
        (0 < in_a_thousand && in_a_thousand < 1000).then_some(Self(in_a_thousand))
    }

    /// Above 0, and below 1000.
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

/// What is no share.
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

/// Which credit a first contact costs: an account keeps it for each apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CreditBucket {
    /// For addresses that a DNS answer has named lately.
    Named,
    /// For all others, whatever the port: costs them beside their port's.
    Strangers,
    /// For those others of some ports.
    Port(PortCell),
    /// For whatever is dialled from network namespaces that the first user namespace does not own.
    Foreign,
}

/// Ports that share their evidence in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortCell(u8);

impl PortCell {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// The cell of a port in the account of that number.
    #[must_use]
    pub fn of(account: u64, port: u16) -> Self {
        Self(port_cell(account, port))
    }

    /// The cell of that number, below [`PortCell::COUNT`].
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Whether a name is worth more than an address there.
    #[must_use]
    pub fn takes_names(self) -> bool {
        takes_names(self.0)
    }

    /// Below [`PortCell::COUNT`].
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// What an attempt's address is to who dials it, in the order in which they go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Contact {
    /// It costs nothing.
    #[default]
    Known,
    /// It costs credit.
    First(CreditBucket),
}

impl Contact {
    /// What it costs.
    pub fn buckets(self) -> impl Iterator<Item = CreditBucket> {
        let (of, beside) = match self {
            Self::Known => (None, None),
            Self::First(bucket @ CreditBucket::Port(_)) => (Some(bucket), Some(CreditBucket::Strangers)),
            Self::First(bucket) => (Some(bucket), None),
        };
        of.into_iter().chain(beside)
    }

    /// In which order those of one party go out: ports do not come before each other.
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
    /// The one that has waited for longest.
    Oldest,
    /// The newest or the oldest: the side whose last one was answered.
    #[default]
    Either,
}

/// What is done about a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSuspect {
    /// Status and events say so.
    #[default]
    Notify,
    /// And its answers earn no more than their cost, and its credit comes back as slowly as it can.
    Throttle,
    /// And for this long its `connect()` fails at once with `EPERM`, to whatever address.
    Block(Duration),
}

impl FirstContact {
    /// The most that `credit` may be.
    pub const MOST: u32 = 10_000;
    /// The largest `working_set`.
    pub const WORKING_SET_MOST: u32 = 8;

    /// Whether a program that looks for peers is expected to be answered more often than a scan.
    #[must_use]
    pub fn is_a_test(&self) -> bool {
        self.answers_of_a_scan.is_none_or(|scan| scan < self.answers_of_peers)
    }

    /// How many silences an answer outweighs: the quotient of the two logarithms of likelihood. `None` without a test.
    #[must_use]
    pub fn worth(&self) -> Option<f64> {
        let scan = self.answers_of_a_scan.filter(|scan| *scan < self.answers_of_peers)?;
        let [peers, scan] = [self.answers_of_peers, scan].map(Share::probability);
        Some((peers / scan).ln() / ((1.0 - scan) / (1.0 - peers)).ln())
    }

    /// The same as the kernel part counts: in sixteenths, 0 without a test.
    #[must_use]
    #[allow(clippy::cast_sign_loss, reason = "with fewer answers of a scan than of peers it is above zero")]
    pub fn worth_in_parts(&self) -> u32 {
        self.worth().map_or(0, |worth| ((worth * 16.0).round() as u32).max(1))
    }

    /// The preset `adaptive`'s. Held against its aims by the workloads of this crate's simulation.
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

    /// The preset `virus-throttle`'s: one first contact a second past a working set of five (Williamson 2002).
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
