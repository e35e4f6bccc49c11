//! The credit of what comes through a container's link without a socket.

use super::calls;
use crate::{FirstContact, abi};
use std::time::Duration;

/// The credit of one link, or of a bridge that containers share.
#[derive(Debug, Clone, Default)]
pub struct GateCredit {
    trust: abi::trust,
    first: abi::first_contact,
    bucket: u32,
}

impl GateCredit {
    /// That of a link.
    #[must_use]
    pub fn of_one(first: &FirstContact) -> Self {
        Self { first: first.into(), bucket: abi::BUCKET_PORTS, ..Self::default() }
    }

    /// That of a bridge: its evidence weighs less.
    #[must_use]
    pub fn shared(first: &FirstContact) -> Self {
        Self { bucket: abi::BUCKET_ALL_PORTS, ..Self::of_one(first) }
    }

    /// Whether a first contact goes out. If so, it spends a credit.
    pub fn spends(&mut self, now: Duration) -> bool {
        // SAFETY: the structures are borrowed for the call.
        unsafe {
            calls::native_gate_spends(&raw mut self.trust, &raw const self.first, self.bucket, nanos(now))
                == 1
        }
    }

    /// A first contact is answered, after `neighbours` others of its network.
    pub fn is_answered(&mut self, neighbours: u32, now: Duration) {
        let (trust, first) = (&raw mut self.trust, &raw const self.first);
        // SAFETY: the structures are borrowed for the call.
        unsafe { calls::native_gate_is_answered(trust, first, self.bucket, neighbours, nanos(now)) }
    }

    /// The answer to a first contact proves nothing.
    pub fn is_undone(&mut self, now: Duration) {
        let (trust, first) = (&raw mut self.trust, &raw const self.first);
        // SAFETY: the structures are borrowed for the call.
        unsafe { calls::native_gate_is_undone(trust, first, self.bucket, nanos(now)) }
    }

    /// Evidence that it is a scanner's, in silences.
    #[must_use]
    pub fn steps(&self) -> f64 {
        f64::from(self.trust.steps) / f64::from(abi::CREDIT)
    }

    /// The contacts heard of lately that were silent.
    #[must_use]
    pub fn silences(&self) -> u16 {
        self.trust.heard_silences
    }
}

/// Never zero: to the kernel part, that is no time.
fn nanos(now: Duration) -> u64 {
    now.as_nanos() as u64 + 1
}
