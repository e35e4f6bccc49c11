//! Follows the interfaces through which containers reach the network.

use crate::daemon::enforcement::Enforcement;
use halfopen_bpf::{Interfaces, KernelError};

impl Enforcement {
    /// Has the kernel part limit what comes through the interfaces that are there now.
    ///
    /// # Errors
    /// If the kernel part cannot be written.
    pub(super) fn follow_gates(&mut self) -> Result<(), KernelError> {
        if !self.limiter.asks_for_gates() {
            return self.limiter.follow_gates(Interfaces::default());
        }
        match self.means.helper.gates() {
            Ok(found) => self.limiter.follow_gates(found),
            Err(e) => {
                self.limiter.gates_are_unknown(&e);
                Ok(())
            }
        }
    }
}
