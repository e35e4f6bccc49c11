use rustix::thread::{CpuSet, sched_setaffinity};

use crate::LabError;

/// The calling thread stays on the last processor: the first has most of the interrupts.
///
/// # Errors
/// When the kernel refuses.
pub fn stay_on_last_processor() -> Result<(), LabError> {
    let last = std::thread::available_parallelism().map_or(0, |count| usize::from(count) - 1);
    stay_on_processor(last)
}

/// The calling thread stays on that processor; the first is 0.
///
/// # Errors
/// When the kernel refuses: there is no such one.
pub fn stay_on_processor(number: usize) -> Result<(), LabError> {
    let mut processors = CpuSet::new();
    processors.set(number);
    sched_setaffinity(None, &processors)
        .map_err(|error| LabError::io(format!("stay on processor {number}"))(error.into()))
}
