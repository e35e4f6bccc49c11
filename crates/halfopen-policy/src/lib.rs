//! The policy of halfopen: which attempt goes out now, which waits, and for how long.
//!
//! No I/O and no clock: the caller passes the time to every function. C headers of the kernel part
//! (`crates/halfopen-bpf/bpf/decide.h` and those beside it) decide which attempts go out, wait or are
//! refused. These headers have no second implementation: this crate compiles them for this machine. Which
//! waiters to wake ([`wake`]) is decided only here.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "bindgen makes large arrays zero")]
pub mod abi;
pub mod accounting;
pub mod attempt;
pub mod connections;
pub mod credit;
pub mod datagram;
pub mod first_contact;
pub mod kernel_form;
pub mod ledger;
pub mod limits;
#[allow(unsafe_code, reason = "it calls the header's native build")]
mod native;
pub mod scope;
pub mod shadow;
pub mod timeline;
pub mod wake;

pub use native::{
    answer, beside, datagrams, destinations, gate, gone, neighbourhood, record, remembered, segments, shared,
    timers, whose,
};

pub use accounting::Accounting;
pub use attempt::{AttemptId, Ending, Origin, Party, Refusal, Standing, Verdict};
pub use connections::{ConnectRate, Connections, PerDestination};
pub use credit::{Offer, Repute};
pub use datagram::{DatagramTurns, Excess, FirstDatagrams};
pub use first_contact::{Contact, CreditBucket, FirstContact, NotAShare, OnSuspect, Order, PortCell, Share};
pub use ledger::{ConnectionCounts, DatagramCounts, Ledger};
pub use limits::{Forwarded, Limits, Mode, Overflow, Rate, RawTcp};
pub use scope::ScopeId;
pub use timeline::Timeline;
