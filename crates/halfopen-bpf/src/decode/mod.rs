//! Turns maps, the ring buffer and walks into records.

pub(crate) mod accounts;
pub(crate) mod connections;
pub(crate) mod denied;
pub(crate) mod durations;
pub(crate) mod faults;
pub(crate) mod fields;
pub(crate) mod names;
pub(crate) mod program_counts;
pub(crate) mod records;
pub(crate) mod ring_events;
pub(crate) mod stopped_datagrams;
