//! The workloads of `testkit::workload` carried out with real programs on the running kernel, each in a lab of its own,
//! with one limiter or another.
//!
//! A [`Limiter`] can be put into a lab; [`carry_out()`] does that, has the workload's dialers dial, and returns the
//! [`Run`]: what a recording of the wire and the dialers themselves have shown. [`work_off`] runs many of them side by
//! side.

mod carry_out;
mod error;
mod limiter;
mod named;
mod run;
mod saw;
mod schedule;

pub use carry_out::carry_out;
pub use error::RunError;
pub(crate) use limiter::configured;
pub use limiter::{InForce, Limiter, NONE, Preset};
pub use run::{Group, Peers, Point, Run, Who};
pub use saw::Saw;
pub use schedule::work_off;
