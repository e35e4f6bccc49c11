//! Whom this host asks for names.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// What was found on this host.
#[derive(Debug, Default)]
pub(super) struct Resolvers {
    pub addresses: BTreeSet<IpAddr>,
    /// Programs have systemd-resolved ask for them, past its stub.
    pub asked_by_others: bool,
}
