//! The entries of connection tracking, as the kernel lists them.

use super::connection::Connection;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::str::FromStr;

/// The entries of the calling thread's network namespace. `/proc/net` would be those of the whole process.
const LIST: &str = "/proc/thread-self/net/nf_conntrack";
/// So many entries of a namespace are read at most: the kernel's default for a host with memory enough.
const ENTRIES: usize = 262_144;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A TCP connection.
    Tcp {
        /// As the socket has it that sent the SYN.
        dialled: Connection,
        /// As the socket has it that answers, with its own addresses if they were translated.
        accepted: Connection,
    },
    /// Of another protocol.
    Other,
}

/// The entries of this thread's network namespace; none if the kernel does not list them.
pub fn listed() -> Vec<Entry> {
    let Ok(list) = File::open(LIST) else { return Vec::new() };
    let lines = BufReader::new(list).lines().map_while(Result::ok);
    lines.take(ENTRIES).map(|line| parse(&line).unwrap_or(Entry::Other)).collect()
}

/// `None` if it is not the line of a TCP connection.
fn parse(line: &str) -> Option<Entry> {
    if line.split_whitespace().nth(2)? != "tcp" {
        return None;
    }
    let (asked, answering) = (0, 1);
    let end =
        |which, address, port| Some(SocketAddr::new(nth(line, address, which)?, nth(line, port, which)?));
    let connection = |which| {
        let local = end(which, "src=", "sport=")?;
        Some(Connection::new(local, end(which, "dst=", "dport=")?))
    };
    Some(Entry::Tcp { dialled: connection(asked)?, accepted: connection(answering)? })
}

/// The value of the word that begins with `key` for the time `which`, from 0.
fn nth<T: FromStr>(line: &str, key: &str, which: usize) -> Option<T> {
    line.split_whitespace().filter_map(|word| word.strip_prefix(key)).nth(which)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSLATED: &str = "ipv4     2 tcp      6 115 SYN_SENT src=10.0.0.2 dst=198.18.0.1 sport=40000 dport=80 \
                              [UNREPLIED] src=198.18.0.1 dst=192.0.2.7 sport=80 dport=40001 mark=0 use=1";

    #[test]
    fn a_line_of_the_kernel() {
        let address = |text: &str, port| SocketAddr::new(text.parse().unwrap(), port);
        let expected = Entry::Tcp {
            dialled: Connection::new(address("10.0.0.2", 40_000), address("198.18.0.1", 80)),
            accepted: Connection::new(address("198.18.0.1", 80), address("192.0.2.7", 40_001)),
        };
        assert_eq!(parse(TRANSLATED), Some(expected));
    }

    #[test]
    fn what_is_not_of_tcp_is_of_another_protocol() {
        for line in ["", "ipv4", &TRANSLATED.replace("tcp", "udp"), &TRANSLATED.replace("=80", "=x")] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
