//! The attempts of the recording whose outcome is not known yet, in bounded memory.

use crate::observation::Flow;
use crate::sources::SourceId;
use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

const SECOND: u64 = 1_000_000_000;
/// A SYN that nothing has come back to for this long, and that is not sent again, is silent. TCP sends it again after
/// 1 s and 2 s, the original after 3 s and 6 s.
const SILENT_AFTER: u64 = 4 * SECOND;
/// A SYN is sent again within so many times the last gap, and within this time.
const GAPS: u64 = 3;
const SILENT_AT_LAST: u64 = 100 * SECOND;
/// A bucket of the wheel is this long, as a power of two in nanoseconds.
const TICK: u32 = 29;
const TICKS: u64 = 256;
/// The same SYN is seen twice within this time where the recording has it from two interfaces.
const TWICE: u64 = 100_000_000;

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    key: u64,
    pub source: SourceId,
    isn: u32,
    pub began: u64,
    last_syn: u64,
    gap: u64,
    /// Its outcome is known. It stays so that its re-sends are not taken for new attempts.
    is_over: bool,
}

/// Names an attempt in [`Flows`].
pub(crate) type FlowId = u32;

/// What a SYN is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syn {
    /// The first one of an attempt. That of an earlier attempt with the same ports has no outcome.
    New {
        replaces: Option<FlowId>,
    },
    Again(FlowId),
    /// One that was seen already, or that came after its answer.
    Twice,
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[derive(Debug)]
pub(crate) struct Flows {
    /// By a hash of 64 bits with a random key: two of a million attempts share one in a run of ten million.
    by_key: HashMap<u64, FlowId, BuildHasherDefault<Hashed>>,
    hash: RandomState,
    all: Vec<Pending>,
    free: Vec<FlowId>,
    /// By the tick in which they are looked at next.
    wheel: Vec<Vec<FlowId>>,
    tick: u64,
    most: usize,
}

impl Flows {
    pub fn new(most: usize) -> Self {
        Self {
            by_key: HashMap::default(),
            hash: RandomState::default(),
            all: Vec::new(),
            free: Vec::new(),
            wheel: vec![Vec::new(); TICKS as usize],
            tick: 0,
            most,
        }
    }

    pub fn is_full(&self) -> bool {
        self.by_key.len() >= self.most
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// A SYN is seen.
    pub fn syn(&mut self, flow: &Flow, isn: u32, at: u64) -> Syn {
        let Some(id) = self.by_key.get(&self.hash.hash_one(flow)).copied() else {
            return Syn::New { replaces: None };
        };
        let pending = &mut self.all[id as usize];
        if pending.isn != isn {
            return Syn::New { replaces: Some(id) };
        }
        let gap = at.saturating_sub(pending.last_syn);
        if pending.is_over || gap < TWICE {
            return Syn::Twice;
        }
        (pending.last_syn, pending.gap) = (at, gap);
        Syn::Again(id)
    }

    /// A new attempt, which nothing of the same key is left of.
    pub fn add(&mut self, flow: &Flow, isn: u32, source: SourceId, at: u64) -> FlowId {
        let key = self.hash.hash_one(flow);
        let pending = Pending { key, source, isn, began: at, last_syn: at, gap: 0, is_over: false };
        let id = if let Some(id) = self.free.pop() {
            self.all[id as usize] = pending;
            id
        } else {
            self.all.push(pending);
            self.all.len() as FlowId - 1
        };
        self.by_key.insert(key, id);
        self.put(id);
        id
    }

    /// The attempt whose outcome is not known, if there is one.
    pub fn unanswered(&self, flow: &Flow) -> Option<FlowId> {
        let id = self.by_key.get(&self.hash.hash_one(flow)).copied()?;
        (!self.all[id as usize].is_over).then_some(id)
    }

    pub fn get(&self, id: FlowId) -> &Pending {
        &self.all[id as usize]
    }

    /// The outcome of the attempt is known.
    pub fn is_over(&mut self, id: FlowId) {
        self.all[id as usize].is_over = true;
    }

    /// The attempt makes way for another with the same ports; it stays on the wheel until its place comes by.
    pub fn replace(&mut self, id: FlowId) {
        self.all[id as usize].is_over = true;
        self.by_key.remove(&self.all[id as usize].key);
        // No flow has this key: hashes of flows that are removed are not looked up.
        self.all[id as usize].key = 0;
    }

    fn put(&mut self, id: FlowId) {
        let due = silent_at(&self.all[id as usize]);
        let tick = (due >> TICK).clamp(self.tick + 1, self.tick + TICKS - 1);
        self.wheel[(tick % TICKS) as usize].push(id);
    }

    /// When attempts may become silent next: not before the end of this tick.
    pub fn next_at(&self) -> u64 {
        (self.tick + 1) << TICK
    }

    /// Goes to the next tick, at most to that of `now`. Returns those that nothing came back to, or with `all` those that
    /// would be looked at then.
    pub fn turn(&mut self, now: u64, all: bool, silent: &mut Vec<FlowId>) {
        if self.is_empty() && self.wheel.iter().all(Vec::is_empty) {
            self.tick = now >> TICK;
            return;
        }
        self.tick += 1;
        let at = (self.tick % TICKS) as usize;
        let due = std::mem::take(&mut self.wheel[at]);
        for id in &due {
            let pending = self.all[*id as usize];
            if pending.is_over {
                self.forget(*id);
            } else if all || silent_at(&pending) <= self.tick << TICK {
                silent.push(*id);
                self.all[*id as usize].is_over = true;
                self.forget(*id);
            } else {
                self.put(*id);
            }
        }
    }

    fn forget(&mut self, id: FlowId) {
        let key = self.all[id as usize].key;
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        self.free.push(id);
    }
}

fn silent_at(pending: &Pending) -> u64 {
    pending.last_syn.saturating_add((GAPS * pending.gap).clamp(SILENT_AFTER, SILENT_AT_LAST))
}
