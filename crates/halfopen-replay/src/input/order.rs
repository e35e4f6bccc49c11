//! Attempts that are told when they end, put into the order in which they began.

use crate::observation::{Flow, LATEST, Observation, ProgramNumber, Seen};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// So many observations are held back to be put in order.
const HELD: usize = 1 << 19;
/// TCP re-sends a SYN first after this long, then after twice as long.
const FIRST_RESEND: u64 = 1_000_000_000;
/// Silence is judged by the first re-sends.
const RESENDS: u32 = 6;
/// What is wrong with what is later than [`LATEST`].
pub(super) const IMPOSSIBLE_TIME: &str = "its time is impossible";

/// An attempt as it is told when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    /// When it began, in nanoseconds since the epoch.
    pub at: u64,
    pub flow: Flow,
    pub program: Option<ProgramNumber>,
    /// How often its SYN was sent, and how long after the first one the last was, in nanoseconds.
    pub syns: u32,
    pub last_syn_after: u64,
    /// What came back, how many nanoseconds after the first SYN; `None`: nothing.
    pub outcome: Option<(u64, Seen)>,
}

/// What was told of attempts.
#[derive(Default)]
pub(super) struct InOrder {
    held: BinaryHeap<Reverse<(u64, u64, Unordered)>>,
    number: u64,
    told: u64,
    /// Observations that came too late to be put in order.
    pub late: u64,
}

/// An observation, which has no order of its own.
struct Unordered(Observation);

impl PartialEq for Unordered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Unordered {}

impl PartialOrd for Unordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Unordered {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl InOrder {
    /// Whether more has to be held before the first is told.
    pub fn wants_more(&self) -> bool {
        self.held.len() < HELD
    }

    /// The first of those held.
    pub fn next(&mut self) -> Option<Observation> {
        let Reverse((_, _, Unordered(mut observation))) = self.held.pop()?;
        if observation.at < self.told {
            self.late += 1;
            observation.at = self.told;
        }
        self.told = observation.at;
        Some(observation)
    }

    /// Holds all that would have been seen of the attempt.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hold(&mut self, recorded: &Recorded) -> Result<(), &'static str> {
        let Recorded { at, flow, program, syns, last_syn_after, outcome } = *recorded;
        let lasts = outcome.map_or(last_syn_after, |(after, _)| last_syn_after.max(after));
        if at.saturating_add(lasts) > LATEST {
            return Err(IMPOSSIBLE_TIME);
        }
        // Those of one attempt are the same, those of two differ.
        let isn = (self.number as u32).wrapping_mul(0x9e37_79b9);
        let mut put = |after: u64, seen| {
            let at = at + after;
            self.number += 1;
            self.held.push(Reverse((at, self.number, Unordered(Observation { at, flow, seen }))));
        };
        put(0, program.map_or(Seen::Syn(isn), |program| Seen::SynOf(isn, program)));
        for resend in 1..syns.min(RESENDS) {
            put(last_syn_after.min(FIRST_RESEND * ((1 << resend) - 1)), Seen::Syn(isn));
        }
        if let Some((after, seen)) = outcome {
            put(after, seen);
        }
        Ok(())
    }
}
