//! Link layers: the IP packet in a captured frame.

use etherparse::{EtherType, SingleVlanSlice, ether_type};
use pcap_parser::Linktype;

const LINUX_SLL2: i32 = 276;
/// 802.1Q tags are stacked at most this deep: providers use two or three.
const VLANS: usize = 8;

/// A link layer that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// `tcpdump -i any`, in its two forms.
    LinuxCooked,
    LinuxCooked2,
    /// BSD's loopback: an address family in either byte order.
    Loopback,
    RawIp,
}

/// What is in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside<'a> {
    /// An IP packet, or its beginning.
    Ip(&'a [u8]),
    Other,
    /// Less than the link layer's header was captured.
    CutShort,
}

impl Link {
    /// `None` for one that is not read.
    pub fn of(kind: Linktype) -> Option<Self> {
        match kind {
            Linktype::ETHERNET => Some(Self::Ethernet),
            Linktype::LINUX_SLL => Some(Self::LinuxCooked),
            Linktype(LINUX_SLL2) => Some(Self::LinuxCooked2),
            Linktype::NULL | Linktype::LOOP => Some(Self::Loopback),
            // 12 and 14: RAW as some systems wrote it.
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => Some(Self::RawIp),
            _ => None,
        }
    }

    pub fn inside(self, frame: &[u8]) -> Inside<'_> {
        let (type_at, payload_at) = match self {
            Self::Ethernet => (12, 14),
            Self::LinuxCooked => (14, 16),
            Self::LinuxCooked2 => (0, 20),
            Self::Loopback => return after(frame, 4),
            Self::RawIp => return after(frame, 0),
        };
        let (Some(kind), Some(payload)) = (frame.get(type_at..type_at + 2), frame.get(payload_at..)) else {
            return Inside::CutShort;
        };
        behind_vlans(EtherType(u16::from_be_bytes([kind[0], kind[1]])), payload)
    }
}

/// The version in the first byte tells an IP packet from anything else.
fn after(frame: &[u8], header: usize) -> Inside<'_> {
    match frame.get(header..) {
        None | Some([]) => Inside::CutShort,
        Some(packet) if matches!(packet[0] >> 4, 4 | 6) => Inside::Ip(packet),
        Some(_) => Inside::Other,
    }
}

fn behind_vlans(mut kind: EtherType, mut payload: &[u8]) -> Inside<'_> {
    for _ in 0..=VLANS {
        match kind {
            ether_type::IPV4 | ether_type::IPV6 => return Inside::Ip(payload),
            ether_type::VLAN_TAGGED_FRAME
            | ether_type::PROVIDER_BRIDGING
            | ether_type::VLAN_DOUBLE_TAGGED_FRAME => {
                let Ok(vlan) = SingleVlanSlice::from_slice(payload) else { return Inside::CutShort };
                let inner = vlan.payload();
                (kind, payload) = (inner.ether_type, inner.payload);
            }
            _ => return Inside::Other,
        }
    }
    Inside::Other
}
