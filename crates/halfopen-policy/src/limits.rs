//! What one scope allows: the numbers that a configuration sets and the kernel part reads.

use crate::{Connections, FirstContact, FirstDatagrams};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Whether attempts are held, only counted, or left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Attempts over the limit are held.
    #[default]
    Enforce,
    /// Nothing is held; attempts that would have been held are counted.
    Audit,
    /// Nothing is held or counted. Attempts that are already held are let go at their next re-check.
    Off,
}

/// What happens to TCP that a program sends through a raw IP socket, bypassing the kernel's own TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawTcp {
    /// The send fails with `EPERM`, as under the original.
    #[default]
    Refuse,
    /// The packet is sent and counted.
    Count,
    /// The packet is sent.
    Allow,
}

/// What happens to the SYNs of a container that none of its sockets has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// As `Limit` if the whole cgroup hierarchy is limited, so that egress sees every socket; else as `Allow`.
    #[default]
    Auto,
    /// They are first contacts of the container's link; those without credit are dropped.
    Limit,
    /// Those without credit are counted.
    Count,
    /// They pass.
    Allow,
}

/// What happens to an attempt that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// `connect()` fails at once with `ENOBUFS`.
    #[default]
    Refuse,
    /// It waits all the same: the queue's length is then only a mark in reports.
    Wait,
}

/// How many waiting attempts may be released in a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_ns: u64,
}

impl Rate {
    /// The slowest rate accepted: one release an hour.
    pub const SLOWEST: Duration = Duration::from_hours(1);

    /// `releases` in each `per`. `None` if either is zero, if the rate is slower than [`Rate::SLOWEST`], or
    /// if two releases would be less than a microsecond apart.
    #[must_use]
    pub fn new(releases: u32, per: Duration) -> Option<Self> {
        let interval_ns = u64::try_from(per.as_nanos()).ok()?.checked_div(u64::from(releases))?;
        let in_range = (1_000..=Self::SLOWEST.as_nanos() as u64).contains(&interval_ns);
        in_range.then_some(Self { interval_ns })
    }

    /// One release in each `interval`, clamped to the range of [`Rate::new`].
    #[must_use]
    pub const fn of_interval(interval: Duration) -> Self {
        let nanos = interval.as_nanos();
        let slowest = Self::SLOWEST.as_nanos();
        let interval_ns = if nanos < 1_000 {
            1_000
        } else if nanos > slowest {
            slowest
        } else {
            nanos
        };
        Self { interval_ns: interval_ns as u64 }
    }

    /// The time between two releases, in nanoseconds.
    #[must_use]
    pub fn interval_ns(self) -> u64 {
        self.interval_ns
    }

    /// Releases in a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        1e9 / self.interval_ns as f64
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = 1_000_000_000 / self.interval_ns;
        if per_second > 0 && 1_000_000_000 / per_second == self.interval_ns {
            write!(f, "{per_second}/s")
        } else if self.interval_ns.is_multiple_of(1_000_000_000) {
            write!(f, "1/{}s", self.interval_ns / 1_000_000_000)
        } else if 60_000_000_000 % self.interval_ns == 0 {
            write!(f, "{}/m", 60_000_000_000 / self.interval_ns)
        } else {
            write!(f, "1/{}us", self.interval_ns / 1_000)
        }
    }
}

/// Text that is not a valid rate or time; the message names the valid forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Not a rate, or out of range.
    #[error(
        "{0:?} is no rate: write releases per time, as \"10/s\" or \"1/4s\", between 1/3600s and 1000000/s"
    )]
    Rate(String),
    /// Not a time, or out of range.
    #[error("{0:?} is no time: write a number with its unit, as \"500ms\", \"21s\" or \"2m\"")]
    Time(String),
}

impl FromStr for Rate {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let bad = || NotANumber::Rate(text.to_owned());
        let (releases, per) = text.split_once('/').ok_or_else(bad)?;
        let per =
            if per.starts_with(|c: char| c.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
        let per = parse_time(&per).map_err(|_| bad())?;
        releases.trim().parse().ok().and_then(|n| Rate::new(n, per)).ok_or_else(bad)
    }
}

/// Reads `"250us"`, `"500ms"`, `"21s"`, `"2m"` or `"1h"`.
///
/// # Errors
/// [`NotANumber::Time`] for any other form, and for more than a day.
pub fn parse_time(text: &str) -> Result<Duration, NotANumber> {
    let bad = || NotANumber::Time(text.to_owned());
    let digits = text.trim().bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.trim().split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let unit = match unit.trim() {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(bad()),
    };
    let time = number.checked_mul(unit).map(Duration::from_micros).ok_or_else(bad)?;
    if time > Duration::from_hours(24) { Err(bad()) } else { Ok(time) }
}

/// Writes a time the way [`parse_time`] reads it, in the largest unit that loses nothing.
#[must_use]
pub fn show_time(time: Duration) -> String {
    if time.is_zero() {
        return "0s".to_owned();
    }
    let micros = time.as_micros();
    for (unit, size) in [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)] {
        if micros >= size && micros.is_multiple_of(size) {
            return format!("{}{unit}", micros / size);
        }
    }
    format!("{micros}us")
}

/// The limits of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most attempts that may be half-open at once; `None` = unlimited.
    pub half_open: Option<u32>,
    /// How long after its last SYN an unanswered attempt keeps its slot.
    pub slot_life: Duration,
    /// The rate of releases from the queue; `None` = one for each free slot.
    pub drain: Option<Rate>,
    /// Whether a release needs a free slot as well as its turn.
    pub strict: bool,
    /// The most attempts that may wait at once.
    pub queue: u32,
    /// What happens to attempts beyond `queue`.
    pub overflow: Overflow,
    /// The longest wait, after which `connect()` fails with `ETIMEDOUT`; `None` = as long as the program's
    /// `connect()` would last towards a silent peer.
    pub max_wait: Option<Duration>,
    /// What first contacts cost; `None` = nothing.
    pub first_contact: Option<FirstContact>,
    /// The limit on first contacts over UDP; `None` = no limit.
    pub datagrams: Option<FirstDatagrams>,
    /// The limits on connections, known or not, answered or not.
    pub connections: Connections,
}

impl Limits {
    /// The value of `TcpNumConnections` that means "unlimited" (and was its stock default).
    pub const UNLIMITED: u32 = 0x00ff_fffe;
    /// The shortest and the longest `slot_life` accepted.
    pub const SLOT_LIFE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

    /// The limits of the original: ten attempts at once, the rest at ten a second, and an attempt that is
    /// given up after 21 s.
    #[must_use]
    pub fn xp_sp2() -> Self {
        Self {
            half_open: Some(10),
            slot_life: Duration::from_secs(21),
            drain: Rate::new(10, Duration::from_secs(1)),
            strict: true,
            queue: 10_000,
            overflow: Overflow::Refuse,
            max_wait: None,
            first_contact: None,
            datagrams: None,
            connections: Connections::default(),
        }
    }
}
