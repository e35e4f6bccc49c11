//! The policy of halfopen: which attempt goes out now, which waits, and for how long.
//!
//! No I/O and no clock: every function is told the time. The kernel part decides by the same rules, written in C
//! (`crates/kernel/bpf/decide.h`); property tests there hold the two against each other.

pub mod attempt;
pub mod books;
pub mod credit;
pub mod datagram;
pub mod first_contact;
mod held_slots;
pub mod ledger;
pub mod limits;
pub mod parties;
pub mod scope;
pub mod slots;
pub mod wake;

pub use attempt::{AttemptId, Ending, Origin, Refusal, Standing, Verdict};
pub use books::Books;
pub use credit::{Offer, Repute};
pub use datagram::{DatagramTurns, Excess, FirstDatagrams};
pub use first_contact::{Contact, FirstContact, OnSuspect, Order, Purse};
pub use ledger::{DatagramCounts, Ledger};
pub use limits::{Limits, Mode, Overflow, Rate, RawTcp};
pub use parties::Party;
pub use scope::ScopeId;
