//! Limits on connections, whatever becomes of them (`bpf/connections.h`).

use crate::Rate;
use std::time::Duration;

/// How many connections may begin in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectRate {
    /// New connections per unit of time.
    pub rate: Rate,
    /// How many may begin at once after a pause; `None` = a second's worth, but at least one.
    pub burst: Option<u32>,
}

impl ConnectRate {
    /// The largest burst.
    pub const BURST_MOST: u32 = 1_000_000;

    /// How many may begin at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst.unwrap_or_else(|| (1_000_000_000 / self.rate.interval_ns()) as u32).max(1)
    }

    /// How far connections may be ahead of an even flow, in nanoseconds.
    pub(crate) fn burst_ns(self) -> u64 {
        u64::from(self.burst() - 1).saturating_mul(self.rate.interval_ns())
    }
}

/// What one scope allows. By default nothing is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// New connections per unit of time.
    pub rate: Option<ConnectRate>,
    /// Connections that may be open at once, half-open ones included.
    pub established: Option<u32>,
    /// How long a connection counts as open after it has ended; `None` = it does not. At most
    /// [`Connections::TIME_WAIT`].
    pub time_wait: Option<Duration>,
    /// What each destination (address and port) of an account allows.
    pub per_destination: PerDestination,
}

impl Connections {
    /// The shortest and the longest `time_wait` accepted.
    pub const TIME_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(4));
}

/// What one destination of an account allows. By default nothing is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerDestination {
    /// Attempts that may be out and unanswered at once.
    pub half_open: Option<u32>,
    /// New connections per unit of time.
    pub rate: Option<ConnectRate>,
    /// Connections that may be open at once.
    pub established: Option<u32>,
}

impl PerDestination {
    /// Whether it limits anything.
    #[must_use]
    pub fn limits(&self) -> bool {
        *self != Self::default()
    }
}
