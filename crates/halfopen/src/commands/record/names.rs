//! The programs of a recording: their numbers, and the names of their cgroups.

use crate::runs_in::{Lookup, RunsIn};
use halfopen_bpf::{Program as Dialler, shown_path_of_id};
use halfopen_replay::trace::Program;
use std::collections::HashMap;

/// How many programs are told apart. A program chooses its name: it must not fill the memory.
const PROGRAMS: usize = 1 << 16;
/// How many cgroups are kept.
const CGROUPS: usize = 1 << 14;

#[derive(Debug, Clone, Default)]
struct Cgroup {
    path: String,
    runs_in: String,
}

#[derive(Debug, Default)]
pub struct Names {
    lookup: Lookup,
    cgroups: HashMap<u64, Cgroup>,
    numbers: HashMap<(String, u32, u64), u32>,
}

/// A program's number.
pub enum Number {
    Known(u32),
    /// One that no attempt had before.
    New(u32, Program),
}

impl Names {
    /// Asks for the names of a cgroup while it is there.
    pub fn cgroup(&mut self, id: u64) {
        if self.cgroups.len() >= CGROUPS {
            self.cgroups.clear();
        }
        let path = shown_path_of_id(id).unwrap_or_default();
        let runs_in = if path.is_empty() { String::new() } else { shown(&self.lookup.of_cgroup(&path)) };
        self.cgroups.insert(id, Cgroup { path, runs_in });
    }

    /// The number of the program.
    pub fn number(&mut self, of: &Dialler) -> Number {
        let mut key = (of.comm.clone(), of.uid, of.cgroup_id);
        if self.numbers.len() >= PROGRAMS && !self.numbers.contains_key(&key) {
            // All others together.
            key = (String::new(), u32::MAX, 0);
        }
        if let Some(number) = self.numbers.get(&key) {
            return Number::Known(*number);
        }
        let (name, uid, cgroup_id) = key.clone();
        if cgroup_id != 0 && !self.cgroups.contains_key(&cgroup_id) {
            self.cgroup(cgroup_id);
        }
        let Cgroup { path, runs_in } = self.cgroups.get(&cgroup_id).cloned().unwrap_or_default();
        let number = self.numbers.len() as u32;
        self.numbers.insert(key, number);
        Number::New(number, Program { name, uid, cgroup: path, runs_in })
    }

    /// How many programs there are.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }
}

/// Pod and container, or else the unit.
fn shown(runs_in: &RunsIn) -> String {
    runs_in.named().or_else(|| runs_in.unit.as_ref().map(|unit| format!("unit {unit}"))).unwrap_or_default()
}
