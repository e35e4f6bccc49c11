//! Which addresses are known to the recorded hosts, in tables of bounded size: the kernel part's own
//! (`bpf/contacts.h`).

use crate::observation::Address;
use foldhash::quality::FixedState;
use halfopen_policy::PortCell;
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::neighbourhood::{Neighbourhood, network_of};
use halfopen_policy::remembered::{Print, Set, remembered_until, set_time, tried_for_ns};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

/// Sixteen times the kernel part's: there may be many hosts in a recording. A set has 128 bytes.
const SETS: usize = 1 << 17;
/// `NEIGHBOURS_NS` of bpf/contacts.h.
const NEIGHBOURS_NS: u64 = 3_600_000_000_000;
const NEIGHBOURHOODS: usize = 1 << 16;
/// Nobody's cell.
const TRIED: u16 = 1 << 8;

/// What its host knows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// It has answered lately, or nobody asks.
    Known,
    /// It was tried lately: its answer is evidence, and its silence was.
    Tried,
    /// Nothing: a first contact, which costs credit.
    First,
    /// Nothing, but others near it have answered, and let it out.
    LetOut,
}

/// Who knows an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// A recorded host.
    Host(Address),
    /// An account of the one host whose programs are recorded.
    Account(u32),
}

/// Who dials what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Contact {
    pub from: Whose,
    pub to: Address,
    pub port: u16,
}

#[derive(Debug)]
pub(crate) struct Known {
    sets: Vec<Set>,
    neighbourhoods: HashMap<u64, Entry, FixedState>,
    answers_last: u64,
    hash: FixedState,
    /// How often neighbourhoods were forgotten for want of room.
    pub forgotten: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    credit: Neighbourhood,
    answered: u32,
    until: u64,
}

impl Known {
    pub fn new(known_for: Duration) -> Self {
        Self {
            sets: (0..SETS).map(|_| Set::default()).collect(),
            neighbourhoods: HashMap::default(),
            answers_last: nanos(known_for),
            hash: FixedState::default(),
            forgotten: 0,
        }
    }

    /// The set and the fingerprint of a contact, as well known (`as` 0) or [`TRIED`].
    fn place(&self, contact: Contact, tried: u16) -> (&Set, Print) {
        let cell = u16::from(PortCell::of(0, contact.port).number()) | tried;
        let key = self.hash.hash_one((contact.from, contact.to, cell));
        (&self.sets[key as usize % SETS], Print::new(self.hash.hash_one(contact.from), key))
    }

    /// Whether it is known, was tried or is a first contact.
    pub fn novelty(&self, contact: Contact, now: u64) -> Novelty {
        let is_remembered = |tried| {
            let (set, print) = self.place(contact, tried);
            set.find(print, set_time(now)).is_some()
        };
        if is_remembered(0) {
            Novelty::Known
        } else if is_remembered(TRIED) {
            Novelty::Tried
        } else {
            Novelty::First
        }
    }

    fn note(&self, contact: Contact, tried: u16, for_ns: u64, now: u64) {
        let (set, print) = self.place(contact, tried);
        let (now, until) = (set_time(now), remembered_until(set_time(now), for_ns));
        let hardly_changes = |found: u32| until.wrapping_sub(found) <= set_time(for_ns) >> 5;
        if set.find(print, now).is_some_and(hardly_changes) {
            return;
        }
        if let Some(claimed) = set.claim(print, now) {
            claimed.publish(now, until);
        }
    }

    /// A contact goes out that was not known. Its silence is evidence, or not.
    pub fn tried(&self, contact: Contact, is_evident: bool, now: u64) {
        self.note(contact, if is_evident { TRIED } else { 0 }, tried_for_ns(self.answers_last), now);
    }

    /// It has answered. Returns whether it was not well known before.
    pub fn answered(&self, contact: Contact, now: u64) -> bool {
        let before = self.novelty(contact, now);
        self.note(contact, 0, self.answers_last, now);
        before != Novelty::Known
    }

    fn neighbourhood(&self, contact: Contact, port: Option<u16>) -> u64 {
        let network = network_of(contact.to.as_v6(), port.is_none());
        self.hash.hash_one((contact.from, network, port))
    }

    /// Whether others near it let it out.
    pub fn is_let_out(&mut self, contact: Contact, now: u64) -> bool {
        let key = self.neighbourhood(contact, Some(contact.port));
        self.neighbourhoods.get_mut(&key).is_some_and(|entry| now < entry.until && entry.credit.lets())
    }

    /// A first contact has answered. Returns how many others of its neighbourhood were answered before.
    pub fn earns(&mut self, contact: Contact, now: u64) -> u32 {
        self.note_neighbour(self.neighbourhood(contact, Some(contact.port)), now);
        self.note_neighbour(self.neighbourhood(contact, None), now)
    }

    fn note_neighbour(&mut self, key: u64, now: u64) -> u32 {
        if self.neighbourhoods.len() >= NEIGHBOURHOODS && !self.neighbourhoods.contains_key(&key) {
            self.neighbourhoods.retain(|_, entry| now < entry.until);
            if self.neighbourhoods.len() >= NEIGHBOURHOODS {
                self.forgotten += self.neighbourhoods.len() as u64;
                self.neighbourhoods.clear();
            }
        }
        let fresh = Entry { credit: Neighbourhood::default(), answered: 0, until: 0 };
        let entry = self.neighbourhoods.entry(key).or_insert(fresh);
        if now >= entry.until {
            *entry = fresh;
        }
        entry.credit.earns();
        entry.until = now.saturating_add(NEIGHBOURS_NS);
        entry.answered += 1;
        entry.answered - 1
    }
}
