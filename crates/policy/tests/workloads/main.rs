//! The workloads on the virtual clock, held against the aims of the preset `adaptive`.
//!
//! `cargo test -p halfopen-policy --test workloads table -- --nocapture` prints what comes of each.

#![allow(clippy::unwrap_used)]

mod aims;
mod attacks;
mod gaming;
mod host;
mod known;
mod limiter;
mod names;
mod outcome;
mod run;
mod table;
