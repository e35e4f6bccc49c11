//! What earlier limits of this host counted: those that ended by a stop or a reboot.

use super::status::span;
use super::{Harm, ModeStatus, ProgramStatus};
use crate::events::text::plain;
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many earlier limits are remembered.
pub const REMEMBERED: usize = 16;
/// How many programs are remembered of each.
pub const PROGRAMS: usize = 16;

/// The counts of one limit, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierCounts {
    /// When the counting began.
    pub counting_since: UtcTime,
    /// When they were saved last: at the end, or up to a minute before a crash.
    pub until: UtcTime,
    /// The mode at that time.
    pub mode: ModeStatus,
    /// The attempts of the whole host that began, or were refused before they could begin.
    pub attempts: u64,
    /// The host's numbers.
    #[serde(flatten)]
    pub host: Harm,
    /// The longest wait that had ended, in milliseconds.
    pub longest_wait_ms: u64,
    /// What waiting did to which program: at most 16, the most harmed first.
    pub programs: Vec<ProgramStatus>,
}

/// For people, in one line.
impl fmt::Display for EarlierCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Harm {
            gave_up_while_queued: gave_up, refused_overflow: refused, held, would_have_waited, ..
        } = self.host;
        let counted = span(self.until.since(self.counting_since).as_secs());
        write!(f, "before, {counted} until {}: {} attempts", self.until, self.attempts)?;
        if would_have_waited > 0 {
            write!(f, ", {would_have_waited} would have waited")?;
        }
        write!(f, ", {held} waited, {gave_up} gave up, {refused} refused")?;
        let Some(first) = self.programs.first() else { return Ok(()) };
        write!(f, "; most of {} (user {})", plain(&first.comm), plain(&first.user))
    }
}
