//! Reads what waiting did to each program.

use crate::abi;
use crate::abi::plain;
use crate::decode::fields;
use crate::decode::records::ProgramCount;
use crate::error::{KernelError, bpf};
use libbpf_rs::{MapCore, MapFlags};
use std::time::Duration;

/// All programs in the table. A program that makes room for another in the meantime is skipped.
pub(crate) fn read(programs: &impl MapCore) -> Result<Vec<ProgramCount>, KernelError> {
    let mut counts = Vec::new();
    for key in programs.keys() {
        let value = programs.lookup(&key, MapFlags::ANY);
        let value = value.map_err(|error| bpf("reading the counts of programs", error))?;
        if let Some(value) = value
            && let (Some(key), Some(count)) = (plain::read(&key), plain::read(&value))
        {
            counts.push(program_count(&key, &count));
        }
    }
    Ok(counts)
}

fn program_count(key: &abi::program_key, count: &abi::program_count) -> ProgramCount {
    ProgramCount {
        program: fields::program(count.last_pid, key.uid, key.comm, key.cgroup_id),
        held: count.held,
        would_have_waited: count.would_have_waited,
        released: count.released,
        gave_up_while_queued: count.gave_up,
        cancelled: count.cancelled,
        refused_overflow: count.refused,
        waited: Duration::from_nanos(count.waited_ns),
        longest_wait: Duration::from_nanos(count.longest_wait_ns),
        last: Duration::from_nanos(count.last_ns),
    }
}
