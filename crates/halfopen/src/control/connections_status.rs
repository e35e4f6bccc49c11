//! The connections of a scope or account, and its limits on them.

use crate::events::Reason;
use halfopen_policy::{ConnectRate, ConnectionCounts, Connections, PerDestination};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// Connections, and what their limits held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsStatus {
    /// How many may begin per second; `None` = unlimited.
    pub rate_limit_per_s: Option<f64>,
    /// How many may be open at once; `None` = unlimited, and none is counted.
    pub established_limit: Option<u32>,
    /// What it may have to one destination; `None` = unlimited.
    #[serde(default)]
    pub per_destination: Option<PerDestinationStatus>,
    /// Open now, half-open ones included; those that began before the limit do not count.
    pub open: u64,
    /// Ended, but still counted, for `time_wait`.
    pub ended: u64,
    /// Attempts that had to wait (in audit mode: would have had to) for the rate or the number of connections.
    pub waited: u64,
    /// The same for the limits of their destination.
    pub waited_for_destination: u64,
}

/// What an account may have to one destination, an address and port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerDestinationStatus {
    /// How many attempts may be out and unanswered; `None` = unlimited.
    pub half_open_limit: Option<u32>,
    /// How many connections may begin per second; `None` = unlimited.
    pub rate_limit_per_s: Option<f64>,
    /// How many connections may be open at once; `None` = unlimited.
    pub established_limit: Option<u32>,
}

fn per_second(rate: Option<ConnectRate>) -> Option<f64> {
    rate.map(|of| of.rate.per_second())
}

impl From<&PerDestination> for PerDestinationStatus {
    fn from(limits: &PerDestination) -> Self {
        Self {
            half_open_limit: limits.half_open,
            rate_limit_per_s: per_second(limits.rate),
            established_limit: limits.established,
        }
    }
}

impl ConnectionsStatus {
    /// `None` if nothing is limited and nothing was held back.
    pub(super) fn new(limits: &Connections, counts: &ConnectionCounts) -> Option<Self> {
        let status = Self {
            rate_limit_per_s: per_second(limits.rate),
            established_limit: limits.established,
            per_destination: Some(&limits.per_destination).filter(|of| of.limits()).map(Into::into),
            open: counts.open,
            ended: counts.ended,
            waited: counts.waited_to_open,
            waited_for_destination: counts.waited_to_reach,
        };
        let is_used = status.open + status.ended + status.waited + status.waited_for_destination > 0;
        (*limits != Connections::default() || is_used).then_some(status)
    }

    /// Attempts that had to wait for any of the limits.
    #[must_use]
    pub fn waited_in_all(&self) -> u64 {
        self.waited + self.waited_for_destination
    }

    /// How many count as open.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.open + self.ended
    }

    /// What an attempt waits for that one of these limits holds back, for people; `None` if `reason` is none of them.
    pub(super) fn waited_for(&self, reason: Reason) -> Option<String> {
        let there = self.per_destination.as_ref();
        Some(match reason {
            Reason::Established => {
                let ended = if self.ended > 0 {
                    format!(" ({} of them have ended less than time_wait ago)", self.ended)
                } else {
                    String::new()
                };
                let most = self.established_limit?;
                format!("the end of a connection: {} of {most} are open{ended}", self.counted())
            }
            Reason::ConnectRate => {
                let rate = self.rate_limit_per_s?;
                format!("its turn to connect: {rate:.1} connections per second may begin")
            }
            Reason::DestinationEstablished => {
                let most = there?.established_limit?;
                format!("the end of a connection to its destination: {most} may be open to one")
            }
            Reason::DestinationHalfOpen => {
                let most = there?.half_open_limit?;
                format!("an answer from its destination: {most} attempts to one may be unanswered")
            }
            Reason::DestinationConnectRate => {
                let rate = there?.rate_limit_per_s?;
                format!(
                    "its turn to connect to its destination: {rate:.1} connections per second may begin to one"
                )
            }
            Reason::Credit | Reason::Slot | Reason::Rate | Reason::Turn | Reason::Queue => return None,
        })
    }
}

impl Display for ConnectionsStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(most) = self.established_limit {
            write!(f, "open {} of {most}, ", self.counted())?;
        }
        if let Some(rate) = self.rate_limit_per_s {
            write!(f, "connections {rate:.1}/s at most, ")?;
        }
        write!(f, "waited for connections {}", self.waited_in_all())
    }
}
