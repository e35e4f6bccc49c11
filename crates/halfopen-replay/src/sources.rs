//! The hosts that dial, in bounded memory.

use crate::observation::{Address, ProgramNumber};
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};

/// Names a source. It may be another's once the source is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(u32);

impl SourceId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the recording says of a source, whatever the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub attempts: u64,
    pub answered: u64,
    pub turned_down: u64,
    pub silent: u64,
}

impl Recorded {
    pub fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.answered += other.answered;
        self.turned_down += other.turned_down;
        self.silent += other.silent;
    }
}

/// Who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialler {
    Host(Address),
    Program(ProgramNumber),
}

#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub dialler: Dialler,
    /// The address that it dialled from, first.
    pub address: Address,
    pub recorded: Recorded,
    /// Its attempts whose outcome is not known yet.
    pub pending: u32,
    /// It has dialled since the hand last came by.
    touched: bool,
    /// There is accounting for it.
    pub is_judged: bool,
    is_used: bool,
}

/// One that has dialled since it was last asked gets a second chance (Corbató 1968). So many are asked for each place.
const ASKED: usize = 64;

/// A table of sources.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Vec<Source>,
    by_dialler: HashMap<Dialler, SourceId, RandomState>,
    free: Vec<SourceId>,
    /// In the order in which they are asked for their place, and for their accounting.
    order: VecDeque<SourceId>,
    judged: VecDeque<SourceId>,
    most: usize,
}

impl Sources {
    pub fn new(most: usize) -> Self {
        Self {
            all: Vec::new(),
            by_dialler: HashMap::default(),
            free: Vec::new(),
            order: VecDeque::new(),
            judged: VecDeque::new(),
            most,
        }
    }

    pub fn find(&self, dialler: Dialler) -> Option<SourceId> {
        self.by_dialler.get(&dialler).copied()
    }

    pub fn is_full(&self) -> bool {
        self.by_dialler.len() >= self.most
    }

    pub fn add(&mut self, dialler: Dialler, address: Address) -> SourceId {
        let fresh = Source {
            dialler,
            address,
            recorded: Recorded::default(),
            pending: 0,
            touched: true,
            is_judged: false,
            is_used: true,
        };
        let id = if let Some(id) = self.free.pop() {
            self.all[id.index()] = fresh;
            id
        } else {
            self.all.push(fresh);
            SourceId(self.all.len() as u32 - 1)
        };
        self.by_dialler.insert(dialler, id);
        self.order.push_back(id);
        id
    }

    pub fn touch(&mut self, id: SourceId) -> &mut Source {
        let source = &mut self.all[id.index()];
        source.touched = true;
        source
    }

    pub fn get(&mut self, id: SourceId) -> &mut Source {
        &mut self.all[id.index()]
    }

    /// There is accounting for the source from now on.
    pub fn judge(&mut self, id: SourceId) {
        self.all[id.index()].is_judged = true;
        self.judged.push_back(id);
    }

    /// How many have accounting.
    pub fn judged(&self) -> usize {
        self.judged.len()
    }

    /// Takes the place of a source that has not dialled lately, and is not `busy`; `None` if none is found.
    pub fn give_up_one(&mut self, busy: impl Fn(SourceId) -> bool) -> Option<(SourceId, Source)> {
        let id = next_idle(&mut self.order, &mut self.all, busy)?;
        let source = self.all[id.index()].clone();
        self.by_dialler.remove(&source.dialler);
        self.all[id.index()].is_used = false;
        if source.is_judged {
            self.judged.retain(|judged| *judged != id);
        }
        self.free.push(id);
        Some((id, source))
    }

    /// The same for its accounting.
    pub fn forget_one(&mut self, busy: impl Fn(SourceId) -> bool) -> Option<SourceId> {
        let id = next_idle(&mut self.judged, &mut self.all, busy)?;
        self.all[id.index()].is_judged = false;
        Some(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        let all = self.all.iter().enumerate().filter(|(_, source)| source.is_used);
        all.map(|(at, source)| (SourceId(at as u32), source))
    }
}

fn next_idle(
    order: &mut VecDeque<SourceId>,
    all: &mut [Source],
    busy: impl Fn(SourceId) -> bool,
) -> Option<SourceId> {
    for _ in 0..ASKED.min(order.len()) {
        let id = order.pop_front()?;
        let source = &mut all[id.index()];
        if source.pending == 0 && !busy(id) && !std::mem::take(&mut source.touched) {
            return Some(id);
        }
        order.push_back(id);
    }
    None
}
