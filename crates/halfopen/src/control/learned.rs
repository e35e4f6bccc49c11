//! What audit mode has learned.

use super::status::seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long attempts would have waited that audit mode let out at once, since the daemon began. Of the whole host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LearnedWaits {
    /// Attempts that would have gone out after a wait. The other numbers of milliseconds are of these.
    pub would_have_gone_out: u64,
    /// Half of them would have waited at most this long; null if there are none. Like the next two, it is at most an
    /// eighth too high.
    pub p50_ms: Option<u64>,
    /// The same for nine of ten.
    pub p90_ms: Option<u64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<u64>,
    /// The longest of these waits.
    pub longest_ms: u64,
    /// Attempts that would have given up while they waited.
    pub would_have_given_up: u64,
    /// Attempts that would have been refused, because the queue was full.
    pub would_have_been_refused: u64,
    /// Attempts that would have waited nobody knows how long: for open connections or for their destination, or beside too
    /// many others.
    pub not_known: u64,
}

/// For people.
impl fmt::Display for LearnedWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enforcing would have let {} out after a wait", self.would_have_gone_out)?;
        if let (Some(p50), Some(p90), Some(p99)) = (self.p50_ms, self.p90_ms, self.p99_ms) {
            let [p50, p90, p99, longest] = [p50, p90, p99, self.longest_ms].map(seconds);
            write!(
                f,
                ": half within {p50}, 9 of 10 within {p90}, 99 of 100 within {p99}, the longest {longest}"
            )?;
        }
        for (count, what) in [
            (self.would_have_given_up, "would have given up"),
            (self.would_have_been_refused, "would have been refused"),
            (self.not_known, "would have waited nobody knows how long"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}
