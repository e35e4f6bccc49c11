//! Sets of destinations, as the kernel part keeps them (`bpf/destination_sets.h`).

use super::{Native, calls};
use crate::abi;

/// One set, which several accounts share.
#[derive(Debug, Clone, Default)]
pub struct DestinationSet(Box<Native<abi::destination_set>>);

impl DestinationSet {
    /// The places of a set, and how many of them one account may use.
    pub const PLACES: (u32, u32) = (abi::DESTINATION_PLACES, abi::DESTINATION_PLACES_OF_ONE);

    /// Binds an attempt of `account` to its destination `id` at `now` (nanoseconds); neither number is 0. Returns the
    /// place of the destination, or `None` if there is no room.
    pub fn bind(&mut self, id: u64, account: u64, now: u64) -> Option<usize> {
        // SAFETY: the set is borrowed for the call.
        let place = unsafe { calls::native_bind(self.0.at_mut(), id, account, now) };
        (place < abi::DESTINATION_PLACES).then_some(place as usize)
    }

    /// An attempt or a connection is bound to this place no more.
    pub fn unbind(&mut self, place: usize) {
        if let Some(at) = self.0.of.get_mut(place) {
            at.users = at.users.saturating_sub(1);
        }
    }
}
