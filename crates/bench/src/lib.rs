//! What the measurements are made of: [`runs`] carries a workload out with one limiter or another, [`peers`] are the
//! limiters that are not ours.

#![forbid(unsafe_code)]

pub mod peers;
pub mod runs;
