//! What the history keeps besides events.

use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What a scope or an account did in a minute. Minutes without any attempt have a row for the host only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinuteRow {
    /// The minute, counted from the beginning of 1970.
    pub minute: u64,
    /// The name of the scope or account, as `halfopen status` shows it.
    pub account: String,
    /// The name of the scope.
    pub scope: String,
    /// Its `half_open` at the end of the minute; `None` = unlimited.
    pub limit: Option<u32>,
    /// The most attempts that were half-open when the daemon looked, usually each second.
    pub peak_half_open: u64,
    /// The most attempts that waited when it looked.
    pub peak_queued: u64,
    /// How many slots its attempts can have wanted at once, at the most: those half-open and waiting at a look, and all
    /// that began before the next one.
    pub peak_demand: u64,
    /// Attempts that began.
    pub begun: u64,
    /// Attempts let out after a wait.
    pub released: u64,
    /// Attempts that were answered.
    pub established: u64,
    /// Attempts that failed after their SYN had left.
    pub failed: u64,
    /// Attempts that their program ended while they waited.
    pub cancelled: u64,
    /// Attempts that timed out while they waited.
    pub gave_up: u64,
    /// Attempts that were refused, because the queue was full or the account blocked.
    pub refused: u64,
    /// Attempts that enforcing would have held (audit mode).
    pub would_have_waited: u64,
    /// How long a released attempt waited, in milliseconds: half of them at most this long; left out where that is not
    /// known. The three numbers are at most an eighth too high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_p50_ms: Option<u64>,
    /// The same for nine of ten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_p90_ms: Option<u64>,
    /// The same for 99 of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_p99_ms: Option<u64>,
    /// How long an attempt would have waited in audit mode that would have gone out then, in milliseconds: half of them
    /// at most this long; left out where that is not known. The three numbers are at most an eighth too high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_wait_p50_ms: Option<u64>,
    /// The same for nine of ten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_wait_p90_ms: Option<u64>,
    /// The same for 99 of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_wait_p99_ms: Option<u64>,
    /// Its `established` at the end of the minute; left out = unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established_limit: Option<u32>,
    /// Its `connect_rate` at the end of the minute, in connections a minute; left out = unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_limit_per_min: Option<u64>,
    /// The most connections that counted as open when the daemon looked. Only where `established` is set are they counted.
    #[serde(default)]
    pub peak_open: u64,
    /// How many connections it can have wanted open at once, at the most: those open and waiting at a look, and all that
    /// began before the next one.
    #[serde(default)]
    pub peak_open_demand: u64,
    /// The most attempts that began from one look to the next, usually in a second.
    #[serde(default)]
    pub peak_begun: u64,
    /// Attempts that waited (in audit mode: would have) for `connect_rate` or `established`.
    #[serde(default)]
    pub held_by_connections: u64,
    /// Attempts that waited (in audit mode: would have) for a limit of `per_destination`.
    #[serde(default)]
    pub held_by_destination: u64,
    /// Whether it was a suspect at the end of the minute.
    #[serde(default)]
    pub suspect: bool,
}

impl MinuteRow {
    /// Adds what another account did in the same minute. The peaks may have been at different moments, so that their sum
    /// is the most that it can have been. There is no telling how long all of them waited.
    pub fn add(&mut self, other: &Self) {
        self.peak_half_open += other.peak_half_open;
        self.peak_queued += other.peak_queued;
        self.peak_demand += other.peak_demand;
        self.begun += other.begun;
        self.released += other.released;
        self.established += other.established;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.gave_up += other.gave_up;
        self.refused += other.refused;
        self.would_have_waited += other.would_have_waited;
        self.peak_open += other.peak_open;
        self.peak_open_demand += other.peak_open_demand;
        self.peak_begun += other.peak_begun;
        self.held_by_connections += other.held_by_connections;
        self.held_by_destination += other.held_by_destination;
        self.suspect |= other.suspect;
    }
}

/// What the history has of a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// From when on.
    pub since: UtcTime,
    /// The minutes, the oldest first: of all scopes and accounts, or of the one that was asked for. A minute without a
    /// row of the host is one in which no daemon ran.
    pub minutes: Vec<MinuteRow>,
    /// How many events could not be written in that time.
    pub lost_events: u64,
    /// How many rows of minutes could not be written.
    pub lost_minutes: u64,
}

/// The program that made an attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DialProgram {
    /// The name that it gave itself.
    pub comm: String,
    /// Its executable; empty if that is not known.
    pub exe: String,
    /// Its cgroup; empty if that is not known.
    pub cgroup: String,
    /// Its user's name or number.
    pub user: String,
    /// What its cgroup belonged to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
}

/// Whether the SYN of an attempt left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// It left at once.
    AtOnce,
    /// It left after a wait.
    AfterWait,
    /// It left at once in audit mode, where enforcing would have held it.
    Audited,
    /// It began to wait. If it left later, there is another entry.
    Held,
}

impl Gone {
    /// All of them, by their number in the database.
    pub(super) const ALL: [Self; 4] = [Self::AtOnce, Self::AfterWait, Self::Audited, Self::Held];

    /// Whether the SYN left.
    #[must_use]
    pub fn left(self) -> bool {
        self != Self::Held
    }
}

/// An attempt of an account whose attempts waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dial {
    /// When its SYN left, or when it began to wait.
    pub time: UtcTime,
    /// The name of the account.
    pub account: String,
    /// Who made it.
    pub program: DialProgram,
    /// The process.
    pub pid: u32,
    /// Its destination.
    pub destination: SocketAddr,
    /// Whether its SYN left.
    pub gone: Gone,
}
