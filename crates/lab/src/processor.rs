use rustix::thread::{CpuSet, sched_setaffinity};

use crate::LabError;

/// The calling thread stays on the last processor: the first has most of the interrupts.
///
/// # Errors
/// When the kernel refuses.
pub fn stay_on_last_processor() -> Result<(), LabError> {
    let last = std::thread::available_parallelism().map_or(0, |count| usize::from(count) - 1);
    let mut processors = CpuSet::new();
    processors.set(last);
    sched_setaffinity(None, &processors)
        .map_err(|error| LabError::io(format!("stay on processor {last}"))(error.into()))
}
