//! Every way out of `SYN_SENT` gives the slot, or the place in the queue, back at once.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod answered;
mod given_up;
mod passed_on;
mod stage;
mod used_again;
