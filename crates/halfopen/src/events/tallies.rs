//! Counts of the programs of an episode.

use super::Identity;
use halfopen_bpf::{AccountId, Program};
use halfopen_policy::Contact;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How many programs are counted separately in an episode. This bounds the memory that a fork bomb can use.
const TRACKED: usize = 1_000;
/// How many destinations are kept for each program.
const SAMPLE: usize = 5;

/// An attempt that began to wait.
#[derive(Debug, Clone, Copy)]
pub struct Waiter<'a> {
    /// When it began to wait.
    pub at: Duration,
    /// The scope in which it found no place.
    pub scope: &'a str,
    /// The program that made it.
    pub program: &'a Program,
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// Its destination.
    pub destination: SocketAddr,
    /// The kind of its address.
    pub contact: Contact,
    /// Whether it was only counted.
    pub audited: bool,
}

/// The counts of a program in an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The program.
    pub program: Program,
    /// Its identity; `None` = it was not looked up yet.
    pub identity: Option<Identity>,
    /// The account of a rule or of `exec` that its last attempt was charged to.
    pub own: Option<AccountId>,
    /// That account's name; `None` = it has none, or it was not looked up yet.
    pub account: Option<String>,
    /// How many of its attempts began to wait.
    pub attempts: u64,
    /// How many wait now; `None` = that was not looked up.
    pub waiting: Option<u64>,
    /// How many were refused.
    pub refused: u64,
    /// The kind of the address of its last attempt.
    pub contact: Contact,
    /// The first few destinations.
    pub sample: Vec<SocketAddr>,
}

/// The counts of all programs of an episode, including earlier episodes that were not reported.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub programs: HashMap<Program, Tally>,
    /// How many attempts began to wait.
    pub attempts: u64,
    /// Whether there were more programs than are tracked.
    pub untracked: bool,
    /// Whether attempts were only counted.
    pub audited: bool,
    /// How many earlier episodes are included.
    pub earlier: u32,
}

impl Tallies {
    pub fn waits(&mut self, waiter: &Waiter<'_>, identify: impl FnOnce(&Program) -> Option<Identity>) {
        self.attempts += 1;
        self.audited = waiter.audited;
        let Some(tally) = self.of(waiter.program, identify) else { return };
        tally.attempts += 1;
        if tally.own != waiter.own {
            (tally.own, tally.account) = (waiter.own, None);
        }
        tally.contact = waiter.contact;
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

    /// Adds the counts of another episode of the same scope. `audited` stays as it is.
    pub fn take_in(&mut self, others: Self) {
        self.attempts += others.attempts;
        self.untracked |= others.untracked;
        self.earlier += others.earlier;
        for (program, other) in others.programs {
            let Some(tally) = self.of(&program, |_| other.identity) else { continue };
            tally.attempts += other.attempts;
            tally.refused += other.refused;
            tally.own = tally.own.or(other.own);
            other.sample.into_iter().for_each(|destination| tally.note_destination(destination));
        }
    }

    /// `None` if no more programs are tracked.
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
            own: None,
            account: None,
            attempts: 0,
            waiting: None,
            refused: 0,
            contact: Contact::Known,
            sample: Vec::new(),
        }))
    }
}

impl Tally {
    pub(super) fn note_destination(&mut self, destination: SocketAddr) {
        if self.sample.len() < SAMPLE && !self.sample.contains(&destination) {
            self.sample.push(destination);
        }
    }
}
