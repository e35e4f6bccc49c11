//! What else limits outbound connections on Linux, put into the lab in halfopen's place: the rules and programs that
//! people use for it now, or have published. [`PEERS`] lists them; each has a module of its own, and its rules are files
//! of `rules/`, applied as they stand.

mod catalogue;
mod in_force;
pub mod judge;
mod peer;
pub mod processor_time;
pub mod queue;

pub use catalogue::connections::{CONNECTION_PEERS, Limits, NEW_A_MINUTE, OPEN};
pub use catalogue::{PEERS, named};
pub use peer::{Means, Peer, Rules, TENANT};
