//! Which addresses the host knows, as the kernel part remembers them.

use halfopen_policy::PortCell;
use halfopen_policy::neighbourhood::Neighbourhood;
use rustc_hash::FxHashMap;
use std::net::Ipv4Addr;

use super::Dial;

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

/// What a dial goes to. An address is known on the ports of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    to: Ipv4Addr,
    port: u16,
    cell: PortCell,
}

impl Peer {
    /// All accounts are the one without a number.
    pub fn of(dial: Dial) -> Self {
        Self { to: dial.to, port: dial.port, cell: PortCell::of(0, dial.port) }
    }

    fn key(self) -> (Ipv4Addr, PortCell) {
        (self.to, self.cell)
    }

    fn network(self) -> u32 {
        self.to.to_bits() >> 8
    }
}

/// When an address was last met; 0: never.
#[derive(Debug, Default)]
struct Met {
    well: u64,
    tried: u64,
}

#[derive(Debug, Default)]
pub struct Known {
    met: FxHashMap<(Ipv4Addr, PortCell), Met>,
    /// When they were last swept.
    swept: u64,
    /// First contacts that were answered, by /24.
    answers: FxHashMap<u32, Vec<u64>>,
    /// What those may be spent on, by /24 and port.
    neighbourhoods: FxHashMap<(u32, u16), Neighbourhood>,
}

fn lately(at: u64, now: u64, within: u64) -> bool {
    now.saturating_sub(at) < within
}

impl Known {
    pub fn how(&self, peer: Peer, now: u64) -> HowKnown {
        match self.met.get(&peer.key()) {
            Some(met) if lately(met.well, now, ANSWERED_FOR) => HowKnown::Well,
            Some(met) if lately(met.tried, now, TRIED_FOR) => HowKnown::Tried,
            _ => HowKnown::Not,
        }
    }

    /// It goes out, or has met silence: where that is evidence, its answer will be.
    pub fn contact(&mut self, peer: Peer, evident: bool, now: u64) {
        self.forget(now);
        let met = self.met.entry(peer.key()).or_default();
        *(if evident { &mut met.tried } else { &mut met.well }) = now;
    }

    /// Drops what is too old to count, when half may be.
    fn forget(&mut self, now: u64) {
        if now < self.swept + ANSWERED_FOR {
            return;
        }
        self.swept = now;
        self.met.retain(|_, met| lately(met.well, now, ANSWERED_FOR) || lately(met.tried, now, TRIED_FOR));
    }

    /// Whether others near it let it out.
    pub fn is_let_out(&mut self, peer: Peer) -> bool {
        self.neighbourhoods.get_mut(&(peer.network(), peer.port)).is_some_and(Neighbourhood::lets)
    }

    /// Of a first contact, or of what others have let out. Returns how many of its neighbourhood were answered before.
    pub fn answer_of_new(&mut self, peer: Peer, named: bool, now: u64) -> u32 {
        if !named {
            self.neighbourhoods.entry((peer.network(), peer.port)).or_default().earns();
        }
        let answers = self.answers.entry(peer.network()).or_default();
        answers.retain(|at| lately(*at, now, ANSWERED_FOR));
        answers.push(now);
        answers.len() as u32 - 1
    }

    /// Whether it was not well known before.
    pub fn answer(&mut self, peer: Peer, now: u64) -> bool {
        let met = self.met.entry(peer.key()).or_default();
        let was_known = lately(met.well, now, ANSWERED_FOR);
        met.well = now;
        !was_known
    }
}
