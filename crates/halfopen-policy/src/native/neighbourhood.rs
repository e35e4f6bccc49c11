//! `bpf/neighbourhood.h`: what the answers of a network are worth within it.

use super::calls;

/// Of one account, network and port.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Neighbourhood {
    credit: i32,
}

impl Neighbourhood {
    /// Whether what has been answered lets one more contact out.
    pub fn lets(&mut self) -> bool {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_lets(&raw mut self.credit) != 0 }
    }

    /// It has answered.
    pub fn earns(&mut self) {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_earns(&raw mut self.credit) }
    }
}
