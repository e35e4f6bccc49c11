//! The attempts of one trial that have not come to their end.

use crate::known::{Contact, Novelty};
use crate::sources::SourceId;
use halfopen_policy::AttemptId;

/// Names an attempt in one trial. It is never another's, even if its place is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket {
    place: u32,
    generation: u32,
}

impl Ticket {
    /// The policy has nothing to do with the attempt.
    pub const NONE: Self = Self { place: u32::MAX, generation: 0 };
}

/// What came of an attempt in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Answered,
    TurnedDown,
    /// Nothing came back.
    Silent,
}

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its `connect()` has failed at once.
    Refused,
    Waits,
    /// It has waited for as long as it may.
    GaveUp,
    /// Its SYN is out, since then.
    Out(u64),
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub source: SourceId,
    pub contact: Contact,
    pub place: Place,
    pub id: Option<AttemptId>,
    pub began: u64,
    pub novelty: Novelty,
    /// It had to wait.
    pub waited: bool,
    /// How long after its SYN the recording has its outcome, in nanoseconds.
    pub outcome: Option<(u64, Outcome)>,
}

/// A table of attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    places: Vec<(u32, Option<Attempt>)>,
    free: Vec<u32>,
}

impl Attempts {
    pub fn put(&mut self, attempt: Attempt) -> Ticket {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let (generation, held) = &mut self.places[place as usize];
        *held = Some(attempt);
        Ticket { place, generation: *generation }
    }

    pub fn get(&mut self, ticket: Ticket) -> Option<&mut Attempt> {
        let (generation, attempt) = self.places.get_mut(ticket.place as usize)?;
        attempt.as_mut().filter(|_| *generation == ticket.generation)
    }

    pub fn waits(&self, ticket: Ticket) -> bool {
        self.places.get(ticket.place as usize).is_some_and(|(generation, attempt)| {
            *generation == ticket.generation
                && attempt.as_ref().is_some_and(|attempt| attempt.place == Place::Waits)
        })
    }

    pub fn take(&mut self, ticket: Ticket) -> Option<Attempt> {
        let (generation, attempt) = self.places.get_mut(ticket.place as usize)?;
        if *generation != ticket.generation {
            return None;
        }
        let taken = attempt.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(ticket.place);
        Some(taken)
    }
}
