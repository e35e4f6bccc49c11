//! Whose attempts are charged to which account: rules by cgroup, user, executable and name, the accounts that they make
//! on first use, and interfaces. Asked of the kernel part itself.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod kept;
mod left_out;
mod many;
mod patterns;
mod scene;
mod shared;
mod trust;
