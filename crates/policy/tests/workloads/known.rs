//! Which addresses the host knows, as the kernel part remembers them.

use std::collections::HashMap;
use std::net::Ipv4Addr;

const SECOND: u64 = 1_000_000_000;
/// An address that answered is known for so long.
const ANSWERED_FOR: u64 = 3600 * SECOND;
/// One that was contacted in vain costs no second credit for so long.
const CONTACTED_FOR: u64 = 600 * SECOND;

#[derive(Debug, Default)]
pub struct Known {
    answered: HashMap<Ipv4Addr, u64>,
    contacted: HashMap<Ipv4Addr, u64>,
    /// First contacts that were answered, by /24.
    neighbourhoods: HashMap<u32, Vec<u64>>,
}

fn lately(at: Option<&u64>, now: u64, within: u64) -> bool {
    at.is_some_and(|at| now.saturating_sub(*at) < within)
}

impl Known {
    pub fn is_first(&self, to: Ipv4Addr, now: u64) -> bool {
        !lately(self.answered.get(&to), now, ANSWERED_FOR)
            && !lately(self.contacted.get(&to), now, CONTACTED_FOR)
    }

    pub fn contact(&mut self, to: Ipv4Addr, now: u64) {
        if !lately(self.answered.get(&to), now, ANSWERED_FOR) {
            self.contacted.insert(to, now);
        }
    }

    /// Returns how many first contacts of its neighbourhood were answered before.
    pub fn answer(&mut self, to: Ipv4Addr, first: bool, now: u64) -> u32 {
        self.contacted.remove(&to);
        self.answered.insert(to, now);
        let neighbours = self.neighbourhoods.entry(to.to_bits() >> 8).or_default();
        neighbours.retain(|at| lately(Some(at), now, ANSWERED_FOR));
        let before = neighbours.len() as u32;
        if first {
            neighbours.push(now);
        }
        before
    }

    pub fn silence(&mut self, to: Ipv4Addr) {
        self.answered.remove(&to);
    }
}
