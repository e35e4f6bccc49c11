//! What a scope asks of contacts with addresses that are not known to it: the numbers of a configuration.

use std::time::Duration;

/// A first contact is an attempt to an address that has not answered lately. Each costs a credit; answers earn credit,
/// silence earns none, and what comes back by itself comes the slower the more was met with silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstContact {
    /// First contacts that may go out before any has been answered, and what credit recovers to; 1 to
    /// [`FirstContact::MOST`]. With addresses that a DNS answer has named: four times as many.
    pub credit: u32,
    /// What an answered first contact earns, its own cost included; 0 to [`FirstContact::MOST`]. What is above its cost
    /// halves with each earlier one from the same neighbourhood (IPv4 /24, IPv6 /64).
    pub reward: u32,
    /// After this time a credit comes back. It doubles with every two that met silence, and halves with every answer.
    pub recover: Duration,
    /// The longest that it doubles to.
    pub recover_most: Duration,
    /// 0: an address is known that answered lately. Otherwise (1 to [`FirstContact::WORKING_SET_MOST`]): the last so many
    /// addresses contacted from this scope, whether they answered or not.
    pub working_set: u32,
    /// Which waiter goes out when a credit is there.
    pub order: Order,
    /// What is done about a scope whose first contacts mostly fail.
    pub on_suspect: OnSuspect,
}

/// Which credit a first contact costs: an account keeps it for each apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purse {
    /// For addresses that a DNS answer has named lately.
    Named,
    /// For all others.
    Strangers,
    /// For whatever is dialled from network namespaces that the first user namespace does not own.
    Foreign,
}

impl Purse {
    /// All.
    pub const ALL: [Self; 3] = [Self::Named, Self::Strangers, Self::Foreign];
}

/// What an attempt's address is to who dials it, in the order in which they go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Contact {
    /// It costs nothing.
    #[default]
    Known,
    /// It costs credit.
    First(Purse),
}

impl Contact {
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
    /// The most that `credit` and `reward` may be.
    pub const MOST: u32 = 10_000;
    /// The largest `working_set`.
    pub const WORKING_SET_MOST: u32 = 8;
    /// The shortest and the longest `recover` and `recover_most`.
    pub const RECOVER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));

    /// The preset `adaptive`'s. Held against its aims by the workloads of this crate's simulation.
    #[must_use]
    pub fn adaptive() -> Self {
        Self {
            credit: 10,
            reward: 4,
            recover: Duration::from_millis(250),
            recover_most: Duration::from_secs(512),
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
            reward: 0,
            recover: Duration::from_secs(1),
            recover_most: Duration::from_secs(1),
            working_set: 5,
            order: Order::Oldest,
            on_suspect: OnSuspect::Notify,
        }
    }
}
