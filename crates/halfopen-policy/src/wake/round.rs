//! Whose turn it is, as in `bpf/parties.h`: turns go round among top-level cgroups, and in each of them among
//! its parts. A party that has just begun to wait comes first, but takes at most every other turn.

use crate::Party;
use std::collections::BTreeMap;

/// The party with the lowest order is next.
pub(super) type Order = [(bool, u64); 2];

/// The parties that wait, or waited a short while ago.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    tops: Round<u64>,
    parts: BTreeMap<u64, Round<u64>>,
}

#[derive(Debug)]
struct Round<K> {
    members: BTreeMap<K, Member>,
    turns: u64,
    /// A newcomer had the last turn.
    owes: bool,
}

impl<K> Default for Round<K> {
    fn default() -> Self {
        Self { members: BTreeMap::new(), turns: 0, owes: false }
    }
}

#[derive(Debug, Default)]
struct Member {
    waiters: usize,
    /// The number of its last turn.
    served: u64,
    /// The turn with which it began to wait, if it has had none since.
    newcomer: Option<u64>,
}

impl<K: Ord + Copy> Round<K> {
    fn joins(&mut self, who: K) {
        self.turns += 1;
        let member = self.members.entry(who).or_default();
        member.waiters += 1;
        if member.waiters == 1 {
            member.newcomer = Some(self.turns);
        }
    }

    fn leaves(&mut self, who: K) {
        if let Some(member) = self.members.get_mut(&who) {
            member.waiters = member.waiters.saturating_sub(1);
            if member.waiters == 0 {
                member.newcomer = None;
            }
        }
    }

    fn takes(&mut self, who: K) {
        self.turns += 1;
        let member = self.members.entry(who).or_default();
        self.owes = !self.owes && member.newcomer.take().is_some();
        member.newcomer = None;
        member.served = self.turns;
    }

    fn order_of(&self, who: K) -> (bool, u64) {
        let Some(member) = self.members.get(&who) else { return (true, 0) };
        match member.newcomer {
            Some(began) if !self.owes => (false, u64::MAX - began),
            _ => (true, member.served),
        }
    }

    fn is_forgotten(&self) -> bool {
        self.members.values().all(|member| member.waiters == 0)
    }
}

impl Rounds {
    pub fn joins(&mut self, party: Party) {
        self.tops.joins(party.top);
        self.parts.entry(party.top).or_default().joins(party.part);
    }

    pub fn leaves(&mut self, party: Party) {
        self.tops.leaves(party.top);
        if let Some(parts) = self.parts.get_mut(&party.top) {
            parts.leaves(party.part);
            if parts.is_forgotten() {
                self.parts.remove(&party.top);
            }
        }
    }

    pub fn takes(&mut self, party: Party) {
        self.tops.takes(party.top);
        self.parts.entry(party.top).or_default().takes(party.part);
    }

    pub fn order_of(&self, party: Party) -> Order {
        let part = self.parts.get(&party.top).map_or((true, 0), |parts| parts.order_of(party.part));
        [self.tops.order_of(party.top), part]
    }
}
