//! What a policy did to one source, or to all.

use crate::delays::Delays;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Had to wait, whatever came of it.
    pub delayed: Delays,
    /// Those of `delayed` that were answered in the recording, and connected late.
    pub answered_delayed: Delays,
    /// Gave up while they waited, and how many of them were answered in the recording.
    pub gave_up: u64,
    pub answered_gave_up: u64,
    /// Their `connect()` failed at once, and how many of them were answered in the recording.
    pub refused: u64,
    pub answered_refused: u64,
    /// Of a full table: attempts that no policy judged.
    pub unjudged: u64,
    /// First contacts that were let out, and how many were answered.
    pub first_contacts: u64,
    pub first_answered: u64,
    pub suspect: Option<Box<Suspect>>,
    pub suspects: u64,
}

/// Why a source is a suspect.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    /// In nanoseconds since the epoch.
    pub since: u64,
    pub first_contacts: u64,
    pub answered: u64,
    /// `None`: many.
    pub port: Option<u16>,
}

impl Tally {
    /// Whether the policy did nothing to it.
    pub fn is_quiet(&self) -> bool {
        self.delayed.count == 0 && self.refused == 0 && self.suspect.is_none() && self.unjudged == 0
    }

    pub fn merge(&mut self, other: &Self) {
        self.delayed.merge(&other.delayed);
        self.answered_delayed.merge(&other.answered_delayed);
        self.gave_up += other.gave_up;
        self.answered_gave_up += other.answered_gave_up;
        self.refused += other.refused;
        self.answered_refused += other.answered_refused;
        self.unjudged += other.unjudged;
        self.first_contacts += other.first_contacts;
        self.first_answered += other.first_answered;
        self.suspects += other.suspects;
    }
}
