//! What a host can be set to.

use halfopen_policy::{FirstContact, Limits, Mode};
use std::time::Duration;

/// The limits of a simulated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limiter {
    /// For people.
    pub name: &'static str,
    /// Whether it holds anything.
    pub mode: Mode,
    /// Those of the host.
    pub host: Limits,
    /// Those of each top-level cgroup's account.
    pub own: Option<Limits>,
    /// Whether a daemon wakes whose turn it is; else each asks by its own timers.
    pub wakes: bool,
}

impl Limiter {
    /// The names that [`Limiter::named`] knows.
    pub const NAMES: [&'static str; 5] =
        ["none", "xp-sp2-rate", "xp-sp2-slots", "virus-throttle", "adaptive"];

    /// The limiter of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(none()),
            "xp-sp2-rate" => Some(xp_sp2_rate()),
            "xp-sp2-slots" => Some(Self { name: "xp-sp2-slots", ..xp_sp2() }),
            "virus-throttle" => Some(virus_throttle()),
            "adaptive" => Some(adaptive()),
            _ => None,
        }
    }

    /// Whether what a program has met decides what it may do, so that its rate falls for hours.
    #[must_use]
    pub fn judges(&self) -> bool {
        [Some(self.host), self.own].into_iter().flatten().any(|limits| limits.first_contact.is_some())
    }
}

/// Nothing is asked for but what a preset adds.
fn free() -> Limits {
    Limits { half_open: None, slot_life: Duration::from_secs(1), drain: None, ..Limits::xp_sp2() }
}

/// The preset `adaptive`.
#[must_use]
pub fn adaptive() -> Limiter {
    Limiter {
        name: "adaptive",
        mode: Mode::Enforce,
        host: Limits { half_open: Some(256), ..free() },
        own: Some(Limits { first_contact: Some(FirstContact::adaptive()), ..free() }),
        wakes: true,
    }
}

/// The same while no daemon wakes waiters.
#[must_use]
pub fn without_daemon(limiter: &Limiter) -> Limiter {
    Limiter { name: "adaptive, no daemon", wakes: false, ..*limiter }
}

/// The preset `xp-sp2`: a waiter needs its turn and a free slot. It is the reading of the original in which ten slots
/// of 21 s set the rate.
#[must_use]
pub fn xp_sp2() -> Limiter {
    Limiter { name: "xp-sp2", mode: Mode::Enforce, host: Limits::xp_sp2(), own: None, wakes: false }
}

/// The reading of the original in which the queue is released at ten a second, whatever is out.
#[must_use]
pub fn xp_sp2_rate() -> Limiter {
    Limiter { name: "xp-sp2-rate", host: Limits { strict: false, ..Limits::xp_sp2() }, ..xp_sp2() }
}

/// The preset `virus-throttle`.
#[must_use]
pub fn virus_throttle() -> Limiter {
    let host = Limits { first_contact: Some(FirstContact::virus_throttle()), ..free() };
    Limiter { name: "virus-throttle", mode: Mode::Enforce, host, own: None, wakes: true }
}

/// No limits.
#[must_use]
pub fn none() -> Limiter {
    Limiter { name: "none", mode: Mode::Off, host: free(), own: None, wakes: false }
}
