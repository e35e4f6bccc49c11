//! What a program dials, and when TCP sends again.

use super::SECOND;
use std::net::Ipv4Addr;

/// One connect().
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dial {
    /// The address.
    pub to: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// What its SYN meets.
    pub reply: Reply,
}

/// What a SYN meets at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Nobody.
    Silence,
    /// A host that does not listen on the port.
    Refusal,
    /// A listener.
    Answer,
}

/// When the host's TCP sends a SYN again, and what it makes of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// SYNs at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s.
    #[default]
    Linux,
    /// Windows XP: SYNs at 0, 3 and 9 s. A refused SYN is sent twice again, half a second apart.
    Windows,
}

impl Stack {
    /// From the SYN with this number, counted from 1, to the next.
    pub(super) fn gap(self, sent: u32) -> Option<u64> {
        match (self, sent) {
            (Self::Linux, _) => Some(SECOND << sent.saturating_sub(5).min(5)),
            (Self::Windows, 1) => Some(3 * SECOND),
            (Self::Windows, 2) => Some(6 * SECOND),
            (Self::Windows, _) => None,
        }
    }

    /// From a SYN to the failure of connect(), beyond the round trip, if the peer refuses.
    pub(super) fn refused_after(self) -> u64 {
        if self == Self::Windows { SECOND } else { 0 }
    }
}
