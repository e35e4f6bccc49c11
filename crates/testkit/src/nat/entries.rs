//! The entries of connection tracking.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

/// The entries of the calling thread's network namespace. `/proc/net` would be those of the whole process.
const LIST: &str = "/proc/thread-self/net/nf_conntrack";

/// A TCP connection that connection tracking keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Who dialled, before translation.
    pub from: SocketAddr,
    /// Whom.
    pub to: SocketAddr,
    /// How far it is.
    pub state: EntryState,
}

/// The states of a tracked TCP connection, by the kernel's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// A SYN has passed.
    SynSent,
    /// Both sides have sent a SYN alone.
    SynSent2,
    /// A SYN-ACK has passed.
    SynRecv,
    /// The handshake is complete.
    Established,
    /// The first FIN has passed.
    FinWait,
    /// It has been acknowledged.
    CloseWait,
    /// The other side's FIN has passed.
    LastAck,
    /// That has been acknowledged too. The entry stays for `nf_conntrack_tcp_timeout_time_wait`, 120 s.
    TimeWait,
    /// A RST has passed. The entry stays for `nf_conntrack_tcp_timeout_close`, 10 s.
    Close,
}

impl EntryState {
    /// Whether the connection is open as far as the NAT box knows.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::TimeWait | Self::Close)
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "SYN_SENT" => Self::SynSent,
            "SYN_SENT2" => Self::SynSent2,
            "SYN_RECV" => Self::SynRecv,
            "ESTABLISHED" => Self::Established,
            "FIN_WAIT" => Self::FinWait,
            "CLOSE_WAIT" => Self::CloseWait,
            "LAST_ACK" => Self::LastAck,
            "TIME_WAIT" => Self::TimeWait,
            "CLOSE" => Self::Close,
            _ => return None,
        })
    }
}

/// Those of this thread's network namespace.
pub(crate) fn listed() -> io::Result<Vec<Entry>> {
    Ok(fs::read_to_string(LIST)?.lines().filter_map(parse).collect())
}

/// `None` if it is not the line of a TCP connection.
fn parse(line: &str) -> Option<Entry> {
    if line.split_whitespace().nth(2)? != "tcp" {
        return None;
    }
    let (from, to) = ends(line)?;
    Some(Entry { from, to, state: line.split_whitespace().find_map(EntryState::of)? })
}

/// The addresses of the one who dialled and of the one who was, as the former had them.
pub(crate) fn ends(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let end = |address, port| Some(SocketAddr::new(first(line, address)?, first(line, port)?));
    Some((end("src=", "sport=")?, end("dst=", "dport=")?))
}

fn first<T: FromStr>(line: &str, key: &str) -> Option<T> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSLATED: &str = "ipv4     2 tcp      6 115 SYN_SENT src=10.77.0.1 dst=198.18.0.1 sport=40000 dport=80 \
                              [UNREPLIED] src=198.18.0.1 dst=10.77.0.254 sport=80 dport=40001 mark=0 use=1";

    #[test]
    fn a_line_of_the_kernel() {
        let expected = Entry {
            from: "10.77.0.1:40000".parse().unwrap(),
            to: "198.18.0.1:80".parse().unwrap(),
            state: EntryState::SynSent,
        };
        assert_eq!(parse(TRANSLATED), Some(expected));
        for line in ["", "ipv4", &TRANSLATED.replace("tcp", "udp"), &TRANSLATED.replace("SYN_SENT", "NONE")] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
