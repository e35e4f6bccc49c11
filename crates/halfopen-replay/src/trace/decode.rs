//! Reads recordings.

use super::bytes::{Fields, checksum};
use super::encode::{ATTEMPT, END, LOST, PROGRAM};
use super::{Attempt, Ended, HEADER, LONGEST, MAGIC, Outcome, Program, Record, Sent, VERSION};
use crate::observation::{Flow, LATEST};

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What times of attempts count from, in nanoseconds since the epoch.
    pub since: u64,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or("it ends within its header")?;
        if header[..4] != MAGIC {
            return Err("it does not begin as halfopen's recordings do");
        }
        if header[4] != VERSION {
            return Err(
                "it has a version that this program does not read: use the halfopen that wrote it, or a newer one",
            );
        }
        let since = header[8..].try_into().map(u64::from_le_bytes).unwrap_or_default();
        if since > LATEST {
            return Err("its time is impossible");
        }
        Ok(Self { since })
    }
}

/// What is at some place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// The content of a record, and how many bytes the record has.
    Whole(&'a [u8], usize),
    /// The beginning of one, perhaps.
    CutOff,
    /// No record.
    Damaged,
}

/// Looks at the record at the beginning of `bytes`.
#[must_use]
pub fn next(bytes: &[u8]) -> Next<'_> {
    let mut fields = Fields(bytes);
    let Some(length) = fields.small::<usize>() else {
        return if bytes.len() < 2 { Next::CutOff } else { Next::Damaged };
    };
    if !(1..=LONGEST).contains(&length) {
        return Next::Damaged;
    }
    let before = bytes.len() - fields.0.len();
    let Some((content, sum)) = fields.0.get(..length + 2).map(|all| all.split_at(length)) else {
        return Next::CutOff;
    };
    if checksum(content) == *sum { Next::Whole(content, before + length + 2) } else { Next::Damaged }
}

/// Reads the content of a record.
///
/// # Errors
/// What is wrong with it.
pub fn decode(content: &[u8]) -> Result<Record, &'static str> {
    let Some((kind, rest)) = content.split_first() else { return Err("it is empty") };
    let mut fields = Fields(rest);
    match *kind {
        PROGRAM => program(&mut fields).ok_or("it is no program"),
        ATTEMPT => attempt(&mut fields).map(Record::Attempt).ok_or("it is no attempt"),
        LOST => fields.number().map(Record::Lost).ok_or("it is no count"),
        END => match fields.number() {
            Some(1) => Ok(Record::End(Ended::Time)),
            Some(2) => Ok(Record::End(Ended::Full)),
            Some(_) => Ok(Record::End(Ended::Asked)),
            None => Err("it is no end"),
        },
        _ => Ok(Record::Unknown),
    }
}

fn program(fields: &mut Fields<'_>) -> Option<Record> {
    let (number, uid) = (fields.small()?, fields.small()?);
    let (name, cgroup, runs_in) = (fields.text()?, fields.text()?, fields.text()?);
    Some(Record::Program(number, Program { name, uid, cgroup, runs_in }))
}

fn attempt(fields: &mut Fields<'_>) -> Option<Attempt> {
    let (program, began, lasted) = (fields.small()?, fields.number()?, fields.number()?);
    let outcome = *Outcome::ALL.get(fields.small::<usize>()?)?;
    let (from, from_port) = (fields.address()?, fields.small()?);
    let (to, to_port) = (fields.address()?, fields.small()?);
    let syns = fields.small()?;
    let sent = match syns {
        0 => None,
        _ => Some(Sent { syns, after: fields.number()?, last_after: fields.number()? }),
    };
    let flow = Flow { from, to, from_port, to_port };
    Some(Attempt { program, began, flow, sent, lasted, outcome })
}
