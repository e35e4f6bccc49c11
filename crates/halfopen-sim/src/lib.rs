//! Outbreaks of worms, on hosts that the policy of halfopen limits.
//!
//! The policy is the one that ships: every dial of a simulated host goes through `halfopen_policy::Accounting`, the
//! kernel part's headers compiled for this machine.

pub mod band;
pub mod carrier;
pub mod course;
pub mod curve;
pub mod engine;
pub mod exact;
pub mod host;
pub mod limiter;
pub mod report;
pub mod scaled;
pub mod scenario;
pub mod space;
pub mod streams;
pub mod study;
pub mod validation;
