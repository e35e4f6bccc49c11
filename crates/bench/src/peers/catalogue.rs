//! The peers, one module each.

mod adaptive;
pub mod connections;
mod hp_vt;
mod iptables_hashlimit;
mod nfqueue;
mod nft_ct_count;
mod nft_half_open_set;
mod nft_limit_rate;
mod none;
mod tc_htb;
mod virus_throttle;
mod xp_sp2;

use crate::peers::peer::Peer;

/// All of them, in the order in which results are shown.
pub const PEERS: [Peer; 11] = [
    none::PEER,
    nft_limit_rate::PEER,
    iptables_hashlimit::PEER,
    nft_ct_count::PEER,
    nft_half_open_set::PEER,
    tc_htb::PEER,
    nfqueue::PEER,
    hp_vt::PEER,
    xp_sp2::PEER,
    virus_throttle::PEER,
    adaptive::PEER,
];

/// The peer of this id; `None` if there is none.
#[must_use]
pub fn named(id: &str) -> Option<Peer> {
    PEERS.into_iter().find(|peer| peer.id == id)
}
