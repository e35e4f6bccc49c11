//! Accounts by the names that events and status show: `inspect`, `block` and `release`.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod block;
mod inspect;
mod scene;
