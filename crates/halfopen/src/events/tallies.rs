//! What the programs of an episode did.

use super::Identity;
use halfopen_bpf::Program;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Programs whose attempts are counted apart in one episode; bounds the memory that a fork bomb can take.
const TRACKED: usize = 1_000;
/// Destinations kept for each program.
const SAMPLE: usize = 5;

/// An attempt that began to wait.
#[derive(Debug, Clone, Copy)]
pub struct Waiter<'a> {
    /// When.
    pub at: Duration,
    /// The scope in which it found no place.
    pub scope: &'a str,
    /// Whose.
    pub program: &'a Program,
    /// Where to.
    pub destination: SocketAddr,
    /// Whether it was only counted.
    pub audited: bool,
}

/// What one program did in an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Which.
    pub program: Program,
    /// What was found out about it; `None` = it was not looked up yet.
    pub identity: Option<Identity>,
    /// How many of its attempts began to wait.
    pub attempts: u64,
    /// How many were refused.
    pub refused: u64,
    /// The first few destinations.
    pub sample: Vec<SocketAddr>,
}

/// What all programs of an episode did, and of earlier ones that are counted in.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub programs: HashMap<Program, Tally>,
    /// How many attempts began to wait.
    pub attempts: u64,
    /// There were more programs than are tracked.
    pub untracked: bool,
    /// Whether attempts were only counted.
    pub audited: bool,
    /// How many earlier episodes are counted in.
    pub earlier: u32,
}

impl Tallies {
    pub fn waits(&mut self, waiter: &Waiter<'_>, identify: impl FnOnce(&Program) -> Option<Identity>) {
        self.attempts += 1;
        self.audited = waiter.audited;
        let Some(tally) = self.of(waiter.program, identify) else { return };
        tally.attempts += 1;
        tally.note_destination(waiter.destination);
    }

    pub fn refused(
        &mut self,
        programs: &[(Program, u64)],
        mut identify: impl FnMut(&Program) -> Option<Identity>,
    ) {
        for (program, refused) in programs {
            if let Some(tally) = self.of(program, &mut identify) {
                tally.refused += refused;
            }
        }
    }

    /// Counts in those of an episode of the same scope. Whether attempts were only counted is as of this one.
    pub fn take_in(&mut self, others: Self) {
        self.attempts += others.attempts;
        self.untracked |= others.untracked;
        self.earlier += others.earlier;
        for (program, other) in others.programs {
            let Some(tally) = self.of(&program, |_| other.identity) else { continue };
            tally.attempts += other.attempts;
            tally.refused += other.refused;
            other.sample.into_iter().for_each(|destination| tally.note_destination(destination));
        }
    }

    /// `None` where no more programs are tracked.
    fn of(
        &mut self,
        program: &Program,
        identify: impl FnOnce(&Program) -> Option<Identity>,
    ) -> Option<&mut Tally> {
        if !self.programs.contains_key(program) && self.programs.len() >= TRACKED {
            self.untracked = true;
            return None;
        }
        Some(self.programs.entry(program.clone()).or_insert_with(|| Tally {
            program: program.clone(),
            identity: identify(program),
            attempts: 0,
            refused: 0,
            sample: Vec::new(),
        }))
    }
}

impl Tally {
    fn note_destination(&mut self, destination: SocketAddr) {
        if self.sample.len() < SAMPLE && !self.sample.contains(&destination) {
            self.sample.push(destination);
        }
    }
}
