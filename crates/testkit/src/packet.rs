//! What is read of an IP packet, on the wire and in the WAN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The parts of a packet that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Syn {
        from: SocketAddr,
        to: SocketAddr,
        sequence: u32,
    },
    SynAck {
        from: SocketAddr,
        to: SocketAddr,
    },
    Reset {
        from: SocketAddr,
        to: SocketAddr,
    },
    /// A TCP segment without SYN and RST.
    Later {
        from: SocketAddr,
        to: SocketAddr,
        flags: u8,
    },
    /// An ICMP error about a TCP packet that `from` had sent to `to`.
    Unreachable {
        from: SocketAddr,
        to: SocketAddr,
    },
    Udp {
        to: SocketAddr,
        payload: &'a [u8],
    },
    Other,
}

struct Ip<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads an IP packet, cut short or not; `None` where too little of it is there.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let ip = Ip::read(bytes)?;
        Some(match ip.protocol {
            TCP => {
                let (from, to) = ip.ends()?;
                let flags = *ip.payload.get(13)?;
                match flags & (SYN | RST | ACK) {
                    SYN => Self::Syn { from, to, sequence: ip.sequence()? },
                    begins if begins & RST != 0 => Self::Reset { from, to },
                    begins if begins & SYN != 0 => Self::SynAck { from, to },
                    _ => Self::Later { from, to, flags },
                }
            }
            UDP => Self::Udp { to: ip.ends()?.1, payload: ip.payload.get(8..)? },
            // Destination unreachable carries the start of the packet it is about behind 8 bytes of its own.
            ICMP if ip.payload.first() == Some(&3) => Self::about(ip.payload.get(8..)?),
            ICMP_V6 if ip.payload.first() == Some(&1) => Self::about(ip.payload.get(8..)?),
            _ => Self::Other,
        })
    }

    fn about(original: &'a [u8]) -> Self {
        match Ip::read(original).filter(|ip| ip.protocol == TCP).and_then(|ip| ip.ends()) {
            Some((from, to)) => Self::Unreachable { from, to },
            None => Self::Other,
        }
    }
}

impl<'a> Ip<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Some(Self {
                source: Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(12..16)?).ok()?).into(),
                destination: Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(16..20)?).ok()?).into(),
                protocol: bytes[9],
                payload: bytes.get(usize::from(bytes[0] & 0xf) * 4..)?,
            }),
            6 => Some(Self {
                source: Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?).into(),
                destination: Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(24..40)?).ok()?).into(),
                protocol: bytes[6],
                payload: bytes.get(40..)?,
            }),
            _ => None,
        }
    }

    fn sequence(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(4..8)?.try_into().ok()?))
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let port = |at: usize| Some(u16::from_be_bytes([*self.payload.get(at)?, *self.payload.get(at + 1)?]));
        Some((SocketAddr::new(self.source, port(0)?), SocketAddr::new(self.destination, port(2)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp_v4(flags: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 77, 0, 1, 198, 18, 5, 6];
        bytes.extend([0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_flags_tell_syn_answer_and_reset_apart() {
        let from: SocketAddr = "10.77.0.1:40000".parse().unwrap();
        let to: SocketAddr = "198.18.5.6:80".parse().unwrap();
        for (flags, packet) in [
            (SYN, Packet::Syn { from, to, sequence: 0x0102_0304 }),
            (SYN | 0xc0, Packet::Syn { from, to, sequence: 0x0102_0304 }),
            (SYN | ACK, Packet::SynAck { from, to }),
            (RST, Packet::Reset { from, to }),
            (RST | ACK, Packet::Reset { from, to }),
            (ACK, Packet::Later { from, to, flags: ACK }),
        ] {
            assert_eq!(Packet::read(&tcp_v4(flags)), Some(packet), "{flags:#x}");
        }
    }

    #[test]
    fn an_icmp_error_names_the_connection_it_is_about() {
        let mut bytes = vec![0x45, 0, 0, 68, 0, 0, 0, 0, 64, ICMP, 0, 0, 198, 18, 5, 6, 10, 77, 0, 1];
        bytes.extend([3, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(tcp_v4(SYN));
        let unreachable = Packet::Unreachable {
            from: "10.77.0.1:40000".parse().unwrap(),
            to: "198.18.5.6:80".parse().unwrap(),
        };
        assert_eq!(Packet::read(&bytes), Some(unreachable));
    }

    #[test]
    fn a_cut_packet_is_none_and_never_a_panic() {
        let whole = tcp_v4(SYN);
        for length in 0..34 {
            assert_eq!(Packet::read(&whole[..length]), None, "{length} bytes");
        }
    }
}
