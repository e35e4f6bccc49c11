use std::net::Ipv4Addr;
use std::time::Instant;

/// What becomes of a SYN that has just arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves at once.
    Leave,
    /// It is held until [`Discipline::release`] names it.
    Hold,
    /// It is dropped; TCP sends it again in its own time.
    Drop,
}

/// The order in which held SYNs leave. It holds numbers; the packets are the caller's. Time is the caller's too.
pub trait Discipline {
    /// Decides on the SYN of this number, to this address.
    fn arrive(&mut self, number: u64, to: Ipv4Addr, now: Instant) -> Fate;

    /// The numbers of those that are to leave now, in order.
    fn release(&mut self, now: Instant) -> Vec<u64>;

    /// When the next one leaves if nothing arrives; `None` if none is held.
    fn next(&self) -> Option<Instant>;
}
