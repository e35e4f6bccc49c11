//! Live attempts, as the walks of the kernel part write them.

use super::calls;
use crate::abi;

/// The `attempt` of the host's scope `host` as a walk that began at `now` (nanoseconds) would write it.
#[must_use]
pub fn attempt_record(host: &abi::scope, attempt: &abi::attempt, now: u64) -> abi::attempt_record {
    let mut record = abi::attempt_record::default();
    // SAFETY: all are borrowed for the call, and only the record is written.
    unsafe { calls::native_attempt_record(host, attempt, now, &raw mut record) };
    record
}
