//! The resolvers that this host asks for names.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The resolvers found on this host.
#[derive(Debug, Default)]
pub(super) struct Resolvers {
    pub addresses: BTreeSet<IpAddr>,
    /// Whether programs ask systemd-resolved without its stub, so that it asks on their behalf.
    pub asked_by_others: bool,
}
