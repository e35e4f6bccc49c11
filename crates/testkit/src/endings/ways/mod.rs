//! All the ways, by who or what ends the connection.

mod by_client;
mod by_far;
mod by_network;
mod by_process;
mod by_somebody_else;
mod of_kinds;
mod unopened;

use crate::TcpState;
use crate::endings::{Kept, Seen, Way};
use crate::nat::EntryState;

/// All of them.
pub const WAYS: [Way; 30] = [
    by_client::CLOSE,
    by_client::SHUT_WRITE_AND_CLOSE,
    by_client::SHUT_READ,
    by_client::HALF_CLOSED,
    by_client::RESET,
    by_client::DISCONNECT,
    by_far::CLOSE,
    by_far::HALF_CLOSED,
    by_far::RESET,
    by_far::BOTH_AT_ONCE,
    by_process::KILL,
    by_process::EXIT_WITH_UNSENT_DATA,
    by_process::EXIT_WITH_UNREAD_DATA,
    by_process::SHARED,
    by_process::PASSED,
    by_network::USER_TIMEOUT,
    by_network::LINK_DOWN_AND_UP,
    by_network::NAMESPACE_DELETED,
    by_somebody_else::SOCK_DESTROY,
    by_somebody_else::FORGED_RESET,
    by_somebody_else::FORGED_RESET_OUTWARD,
    by_somebody_else::FORGED_FIN,
    by_somebody_else::FORGED_FIN_OUTWARD,
    of_kinds::FAST_OPEN,
    of_kinds::MULTIPATH,
    of_kinds::IPV6,
    of_kinds::MAPPED,
    of_kinds::ACCEPTED,
    unopened::REFUSED,
    unopened::SILENT,
];

const fn seen(client: Kept, nat: EntryState) -> Seen {
    Seen { client: Some(client), nat: Some(nat) }
}

/// The client's kernel has nothing of it any more.
const fn gone(nat: EntryState) -> Seen {
    Seen { client: None, nat: Some(nat) }
}

pub(super) const OPEN: Seen = seen(Kept::Dialled(TcpState::Established), EntryState::Established);
/// The client's kernel waits for the far end's FIN, without a socket.
pub(super) const UNANSWERED_FIN: Seen = seen(Kept::Remembered(TcpState::FinWait2), EntryState::CloseWait);
/// Who closes first remembers the connection.
pub(super) const CLOSED_FIRST: Seen = seen(Kept::Remembered(TcpState::TimeWait), EntryState::TimeWait);
