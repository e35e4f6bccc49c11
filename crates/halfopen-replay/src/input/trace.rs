//! halfopen's own recordings ([`crate::trace`]).
//!
//! An attempt of a recording counts from its `connect()`: for how long the limiter of that time held it is left out.

use super::Counts;
use super::compression::Bytes;
use super::order::{InOrder, Recorded};
use crate::observation::{Observation, ProgramNumber, Refusal, Seen};
use crate::trace::{Attempt, HEADER, Header, LONGEST, Next, Outcome, Program, Record, decode, next};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};

const BUFFER: usize = 1 << 17;
/// A record and its frame.
const LONGEST_RECORD: usize = LONGEST + 16;
/// What programs may need, in bytes. Attempts of those that do not fit in have no program.
const FOR_PROGRAMS: usize = 8 << 20;
const US: u64 = 1_000;
/// A SYN that is not held leaves sooner.
const NOTICED: u64 = 2_000_000;

/// What is at some place of a file.
enum At {
    /// A record of this length, or what is wrong with it.
    Record(Result<Record, &'static str>, usize),
    Damage,
    End {
        is_cut_off: bool,
    },
}

pub(super) struct Trace {
    bytes: Bytes,
    buffer: Vec<u8>,
    /// Where in the buffer, and in the file, the next record begins.
    at: usize,
    offset: u64,
    is_read: bool,
    is_over: bool,
    in_damage: bool,
    since: u64,
    held: InOrder,
    programs: HashMap<u32, Program>,
    of_programs: usize,
    counts: Counts,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Trace {
    pub fn new(bytes: Bytes) -> io::Result<Self> {
        let mut trace = Self {
            bytes,
            buffer: Vec::new(),
            at: 0,
            offset: HEADER as u64,
            is_read: false,
            is_over: false,
            in_damage: false,
            since: 0,
            held: InOrder::default(),
            programs: HashMap::new(),
            of_programs: 0,
            counts: Counts::default(),
        };
        trace.fill()?;
        let header = Header::read(&trace.buffer).map_err(io::Error::other)?;
        (trace.since, trace.at) = (header.since, HEADER);
        Ok(trace)
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn program(&self, number: ProgramNumber) -> Option<&Program> {
        self.programs.get(&number.0)
    }

    pub fn next(&mut self) -> io::Result<Option<Observation>> {
        while !self.is_over && self.held.wants_more() {
            self.read()?;
        }
        let next = self.held.next();
        self.counts.late = self.held.late;
        Ok(next)
    }

    /// Has a whole record in the buffer, if there is one.
    fn fill(&mut self) -> io::Result<()> {
        if self.is_read || self.buffer.len() - self.at >= LONGEST_RECORD {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let wanted = (BUFFER - self.buffer.len()) as u64;
        let read = self.bytes.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
        self.is_read = (read as u64) < wanted;
        Ok(())
    }

    /// What is next. The buffer has all of it.
    fn look(&self) -> At {
        let rest = &self.buffer[self.at..];
        match next(rest) {
            _ if rest.is_empty() => At::End { is_cut_off: false },
            // Among damaged bytes, any two may look like a checksum: another record has to follow.
            Next::Whole(_, length) if self.in_damage && next(&rest[length..]) == Next::Damaged => At::Damage,
            Next::Whole(content, length) => At::Record(decode(content), length),
            Next::CutOff if !self.in_damage && !has_a_record(&rest[1..]) => At::End { is_cut_off: true },
            Next::CutOff | Next::Damaged => At::Damage,
        }
    }

    fn read(&mut self) -> io::Result<()> {
        self.fill()?;
        let length = match self.look() {
            At::End { is_cut_off } => {
                self.is_over = true;
                self.counts.is_cut_off = is_cut_off;
                return Ok(());
            }
            At::Damage => {
                if !self.in_damage {
                    self.counts.damage(self.offset, "it is no record");
                }
                self.in_damage = true;
                1
            }
            At::Record(record, length) => {
                self.in_damage = false;
                if let Err(what) = record.and_then(|record| self.take(record)) {
                    self.counts.damage(self.offset, what);
                }
                length
            }
        };
        self.at += length;
        self.offset += length as u64;
        self.counts.bytes += length as u64;
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<(), &'static str> {
        match record {
            Record::Attempt(attempt) => {
                self.attempt(&attempt)?;
                self.counts.records += 1;
            }
            Record::Program(number, program) => {
                let Program { name, cgroup, runs_in, .. } = &program;
                let needs = size_of::<Program>() + name.len() + cgroup.len() + runs_in.len();
                if self.of_programs + needs <= FOR_PROGRAMS {
                    self.of_programs += needs;
                    self.programs.insert(number, program);
                }
            }
            Record::Lost(count) => self.counts.lost = count,
            Record::End(_) => {}
            Record::Unknown => self.counts.other += 1,
        }
        Ok(())
    }

    fn attempt(&mut self, attempt: &Attempt) -> Result<(), &'static str> {
        let Attempt { program, began, flow, sent, lasted, outcome } = *attempt;
        // Nobody knows what would have come of these.
        match outcome {
            Outcome::Refused => {
                self.counts.limited.refused += 1;
                return Ok(());
            }
            Outcome::Denied => {
                self.counts.limited.denied += 1;
                return Ok(());
            }
            _ => {}
        }
        let ns = |us: u64| us.saturating_mul(US);
        let held = ns(sent.map_or(lasted, |sent| sent.after));
        let answer_after = ns(lasted).saturating_sub(held);
        let outcome = match outcome {
            Outcome::Answered => Some((answer_after, Seen::Answer)),
            Outcome::Reset => Some((answer_after, Seen::Refusal(Refusal::Reset))),
            Outcome::Unreachable => Some((answer_after, Seen::Refusal(Refusal::Unreachable))),
            Outcome::Open => None,
            // A program gives up after its own time, whenever the SYN left.
            _ => Some((ns(lasted), Seen::GivenUp)),
        };
        let program = Some(ProgramNumber(program)).filter(|number| self.program(*number).is_some());
        self.held.hold(&Recorded {
            at: self.since.saturating_add(ns(began)),
            flow,
            program,
            syns: sent.map_or(1, |sent| sent.syns),
            last_syn_after: ns(sent.map_or(0, |sent| sent.last_after)),
            outcome,
        })?;
        if held >= NOTICED {
            self.counts.limited.held.add(held);
        }
        Ok(())
    }
}

fn has_a_record(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| match next(&bytes[at..]) {
        Next::Whole(_, length) => next(&bytes[at + length..]) != Next::Damaged,
        Next::CutOff | Next::Damaged => false,
    })
}
