//! What a host can be set to.

use halfopen_policy::{FirstContact, Limits, Mode};
use std::time::Duration;

/// The limits of a simulated host.
#[derive(Debug, Clone, Copy)]
pub struct Limiter {
    pub name: &'static str,
    pub mode: Mode,
    pub host: Limits,
    /// Those of each top-level cgroup's account.
    pub own: Option<Limits>,
    /// Whether a daemon wakes whose turn it is; else each asks by its own timers.
    pub wakes: bool,
}

/// Nothing is asked for but what a preset adds.
fn free() -> Limits {
    Limits { half_open: None, slot_life: Duration::from_secs(1), drain: None, ..Limits::xp_sp2() }
}

pub fn adaptive() -> Limiter {
    Limiter {
        name: "adaptive",
        mode: Mode::Enforce,
        host: Limits { half_open: Some(256), ..free() },
        own: Some(Limits { first_contact: Some(FirstContact::adaptive()), ..free() }),
        wakes: true,
    }
}

pub fn without_daemon(limiter: &Limiter) -> Limiter {
    Limiter { name: "adaptive, no daemon", wakes: false, ..*limiter }
}

pub fn xp_sp2() -> Limiter {
    Limiter { name: "xp-sp2", mode: Mode::Enforce, host: Limits::xp_sp2(), own: None, wakes: false }
}

pub fn virus_throttle() -> Limiter {
    let host = Limits { first_contact: Some(FirstContact::virus_throttle()), ..free() };
    Limiter { name: "virus-throttle", mode: Mode::Enforce, host, own: None, wakes: true }
}

pub fn none() -> Limiter {
    Limiter { name: "none", mode: Mode::Off, host: free(), own: None, wakes: false }
}
