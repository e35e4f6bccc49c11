//! Limits on connections: their rate, how many are open, and how many to one destination.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod destinations;
mod endings;
mod events;
mod open;
mod rate;
mod scene;
