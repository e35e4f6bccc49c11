//! What a plain user of the host, or a container with a root of its own, may try to get past the limit or to make others
//! wait. Each attack runs as a plain user in a cgroup of its own. It is judged by the far side (which dead addresses were
//! reached) and by how long an innocent in another cgroup waits.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod accounts;
mod forwarded;
mod handed;
mod loops;
mod lost_wakes;
mod memory;
mod options;
mod patience;
mod raw;
mod records;
mod scene;
mod segments;
mod translated;
mod trust;
mod twins;
