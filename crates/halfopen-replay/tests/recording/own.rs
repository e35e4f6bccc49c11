//! halfopen's own recordings.

use super::{SECOND, ZERO};
use halfopen_replay::Flow;
use halfopen_replay::trace::{Attempt, Outcome, Program, Record, Sent, Writer, encoded};
use std::net::Ipv4Addr;

pub const US: u64 = 1_000;
/// Microseconds.
pub const S: u64 = SECOND / US;

pub fn file(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, ZERO).unwrap();
    for record in records {
        writer.put(&encoded(record)).unwrap();
    }
    file
}

pub fn program(number: u32, name: &str, unit: &str) -> Record {
    let cgroup = format!("/system.slice/{unit}");
    Record::Program(
        number,
        Program { name: name.into(), uid: 1_000, cgroup, runs_in: format!("unit {unit}") },
    )
}

/// An attempt that was let out at once.
pub fn attempt(program: u32, began: u64, to: u32, outcome: Outcome) -> Attempt {
    let flow = Flow {
        from: Ipv4Addr::new(192, 0, 2, 1).into(),
        to: Ipv4Addr::from_bits(0xc633_6400 + to).into(),
        from_port: (20_000 + to % 40_000) as u16,
        to_port: 443,
    };
    let sent = Some(Sent { after: 20, syns: 1, last_after: 0 });
    let lasted = if outcome == Outcome::Answered { 10_000 } else { 3 * S };
    Attempt { program, began, flow, sent, lasted, outcome }
}
