//! Who takes a full scope's turns: they go round among the top-level cgroups that wait, and in each among its users. One
//! that has ten thousand attempts waiting delays another's first by one turn.

use std::collections::BTreeMap;

/// A turn that nobody took for so long (nanoseconds) is open to all: those whose it was may be late, or gone.
pub const TURN_FORFEIT_NS: u64 = 640_000_000;

/// Who an attempt belongs to when turns go round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Party {
    /// The top-level cgroup.
    pub top: u64,
    /// The user in it.
    pub user: u32,
}

/// A round among parts, each of which has one turn in it.
#[derive(Debug, Clone, Default)]
struct Round {
    number: u32,
    waiting: u32,
    unserved: u32,
}

#[derive(Debug, Clone, Default)]
struct Part {
    waiters: u32,
    served: u32,
    round: Round,
}

impl Round {
    fn join(&mut self, part: &mut Part) {
        part.waiters += 1;
        if part.waiters == 1 {
            self.waiting += 1;
            self.unserved += u32::from(part.served != self.number);
        }
    }

    fn leave(&mut self, part: &mut Part) {
        part.waiters -= 1;
        if part.waiters == 0 {
            self.waiting -= 1;
            self.unserved -= u32::from(part.served != self.number);
        }
    }

    fn is_turn_of(&self, part: &Part) -> bool {
        self.unserved == 0 || part.served != self.number
    }

    fn take(&mut self, part: &mut Part) {
        if part.served == self.number {
            if self.unserved > 0 {
                return;
            }
            self.number = self.number.wrapping_add(1);
            self.unserved = self.waiting;
        }
        part.served = self.number;
        self.unserved -= 1;
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Parties {
    tops: BTreeMap<u64, Part>,
    users: BTreeMap<Party, Part>,
    round: Round,
    /// Since when a turn has been there that those who asked were not to take.
    offered: Option<u64>,
}

impl Parties {
    pub fn join(&mut self, party: Party) {
        let top = self.tops.entry(party.top).or_default();
        top.round.join(self.users.entry(party).or_default());
        self.round.join(top);
    }

    pub fn leave(&mut self, party: Party) {
        if let (Some(top), Some(user)) = (self.tops.get_mut(&party.top), self.users.get_mut(&party)) {
            top.round.leave(user);
            self.round.leave(top);
        }
    }

    /// Asked while the scope has a turn, by a party that waits for it or by somebody who has not waited (`None`).
    pub fn may_take(&mut self, party: Option<Party>, now: u64) -> bool {
        let waiting = party.and_then(|party| Some((self.tops.get(&party.top)?, self.users.get(&party)?)));
        let is_turn = match waiting {
            Some((top, user)) => self.round.is_turn_of(top) && top.round.is_turn_of(user),
            None => self.round.unserved == 0,
        };
        is_turn || now.saturating_sub(*self.offered.get_or_insert(now)) > TURN_FORFEIT_NS
    }

    /// The scope has no turn.
    pub fn withdraw(&mut self) {
        self.offered = None;
    }

    /// One of the party's waiters goes out.
    pub fn take(&mut self, party: Party) {
        self.offered = None;
        if let (Some(top), Some(user)) = (self.tops.get_mut(&party.top), self.users.get_mut(&party)) {
            top.round.take(user);
            self.round.take(top);
        }
    }
}
