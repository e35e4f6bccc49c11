//! `bpf/neighbourhood.h`: what the answers of a neighbourhood are worth within it.

use super::calls;

/// The answers of one neighbourhood on one port to one account.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Neighbourhood {
    credit: i32,
}

impl Neighbourhood {
    /// Whether its answers let one more contact out. If so, the contact spends one.
    pub fn lets(&mut self) -> bool {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_lets(&raw mut self.credit) != 0 }
    }

    /// The neighbourhood has answered.
    pub fn earns(&mut self) {
        // SAFETY: the number is borrowed for the call.
        unsafe { calls::native_neighbourhood_earns(&raw mut self.credit) }
    }
}
