//! The workloads on the virtual clock, held against the aims of the preset `adaptive`.
//!
//! `cargo test -p halfopen-policy --test workloads table -- --nocapture` prints what comes of each.

#![allow(clippy::unwrap_used)]

mod aims;
mod aims_of_peers;
mod attacks;
mod draws;
mod gaming;
mod names;
mod outcome;
mod peers_table;
mod run;
mod table;
mod trust_page;

use halfopen_sim::limiter;
