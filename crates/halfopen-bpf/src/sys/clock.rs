//! The clock of the kernel part.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Now, on the clock of the kernel part: `CLOCK_MONOTONIC`, which `bpf_ktime_get_ns()` reads.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
}
