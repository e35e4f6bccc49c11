//! Which addresses the host knows, as the kernel part remembers them.

use halfopen_policy::PortCell;
use halfopen_policy::neighbourhood::Neighbourhood;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use testkit::workload::Dial;

const SECOND: u64 = 1_000_000_000;
/// An address that answered is known for so long.
const ANSWERED_FOR: u64 = 3600 * SECOND;
/// One that was contacted in vain costs no second credit for so long.
const TRIED_FOR: u64 = 3600 * SECOND;

/// As `enum how_known` of bpf/contacts.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowKnown {
    Not,
    Tried,
    Well,
}

#[derive(Debug, Default)]
pub struct Known {
    well: HashMap<(Ipv4Addr, PortCell), u64>,
    tried: HashMap<(Ipv4Addr, PortCell), u64>,
    /// First contacts that were answered, by /24.
    answers: HashMap<u32, Vec<u64>>,
    /// What those may be spent on, by /24 and port.
    neighbourhoods: HashMap<(u32, u16), Neighbourhood>,
}

fn lately(at: Option<&u64>, now: u64, within: u64) -> bool {
    at.is_some_and(|at| now.saturating_sub(*at) < within)
}

/// An address is known on the ports of a cell. All accounts are the one without a number.
fn key(dial: Dial) -> (Ipv4Addr, PortCell) {
    (dial.to, PortCell::of(0, dial.port))
}

impl Known {
    pub fn how(&self, dial: Dial, now: u64) -> HowKnown {
        let at = key(dial);
        if lately(self.well.get(&at), now, ANSWERED_FOR) {
            HowKnown::Well
        } else if lately(self.tried.get(&at), now, TRIED_FOR) {
            HowKnown::Tried
        } else {
            HowKnown::Not
        }
    }

    /// It goes out, or has met silence: where that is evidence, its answer will be.
    pub fn contact(&mut self, dial: Dial, evident: bool, now: u64) {
        let of = if evident { &mut self.tried } else { &mut self.well };
        of.insert(key(dial), now);
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

    /// Whether it was not well known before.
    pub fn answer(&mut self, dial: Dial, now: u64) -> bool {
        let before = self.how(dial, now);
        self.well.insert(key(dial), now);
        before != HowKnown::Well
    }
}
