//! Which addresses the host knows, as the kernel part remembers them.

use halfopen_policy::neighbourhood::Neighbourhood;
use halfopen_workload::Dial;
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
    answers: HashMap<u32, Vec<u64>>,
    /// What those may be spent on, by /24 and port.
    neighbourhoods: HashMap<(u32, u16), Neighbourhood>,
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

    /// Whether others near it let it out.
    pub fn is_let_out(&mut self, dial: Dial) -> bool {
        self.neighbourhoods.get_mut(&(dial.to.to_bits() >> 8, dial.port)).is_some_and(Neighbourhood::lets)
    }

    /// Of a first contact, or of what others have let out. Returns how many of its neighbourhood were answered before.
    pub fn answer_of_new(&mut self, dial: Dial, named: bool, now: u64) -> u32 {
        let prefix = dial.to.to_bits() >> 8;
        if !named {
            self.neighbourhoods.entry((prefix, dial.port)).or_default().earns();
        }
        let answers = self.answers.entry(prefix).or_default();
        answers.retain(|at| lately(Some(at), now, ANSWERED_FOR));
        answers.push(now);
        answers.len() as u32 - 1
    }

    pub fn answer(&mut self, to: Ipv4Addr, now: u64) {
        self.contacted.remove(&to);
        self.answered.insert(to, now);
    }

    pub fn silence(&mut self, to: Ipv4Addr) {
        self.answered.remove(&to);
    }
}
