//! Source and destination in the words of a line.

use super::End;
use std::net::{IpAddr, SocketAddr};

/// Which of the two addresses of a line comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    SourceFirst,
    DestinationFirst,
}

/// What addresses a line names.
#[derive(Debug, PartialEq, Eq)]
pub enum Pair<'a> {
    None,
    One,
    /// The other words of the line are `rest`.
    Two {
        source: End,
        destination: End,
        rest: Vec<&'a str>,
    },
    Many,
}

/// What the columns below a heading are, if the words are one.
pub fn first_column(words: &[&str]) -> Option<Columns> {
    let at = |names: [&str; 2]| {
        words.iter().position(|word| names.iter().any(|name| word.to_ascii_lowercase().starts_with(name)))
    };
    let (source, destination) = (at(["src", "source"])?, at(["dst", "dest"])?);
    Some(if source < destination { Columns::SourceFirst } else { Columns::DestinationFirst })
}

/// An address, and the numbers right behind it.
struct Found {
    end: End,
    numbers: Vec<u16>,
}

/// Looks for two addresses with their ports.
pub fn read<'a>(words: &[&'a str], columns: Columns) -> Pair<'a> {
    if let Some(named) = named(words) {
        return named;
    }
    let (mut found, mut rest) = (Vec::<Found>::new(), Vec::new());
    let mut is_right_behind = false;
    for word in words {
        if let Some(end) = end(word) {
            found.push(Found { end, numbers: Vec::new() });
            is_right_behind = true;
            continue;
        }
        let is_filler = *word == "port" || word.chars().all(|c| "-~:".contains(c));
        match (found.last_mut().filter(|_| is_right_behind), port(word)) {
            (Some(last), Some(port)) => last.numbers.push(port),
            _ if is_filler => {}
            _ => {
                is_right_behind = false;
                rest.push(*word);
            }
        }
    }
    match &found[..] {
        [] => Pair::None,
        [_] => Pair::One,
        [one, other] => {
            let (mut first, mut second) = (one.end, other.end);
            match (first.port, second.port, &one.numbers[..], &other.numbers[..]) {
                // Both ports stand behind both addresses.
                (None, None, [], [of_first, of_second, ..]) => {
                    (first.port, second.port) = (Some(*of_first), Some(*of_second));
                }
                (_, _, behind_first, behind_second) => {
                    first.port = first.port.or(behind_first.first().copied());
                    second.port = second.port.or(behind_second.first().copied());
                }
            }
            let (source, destination) = match columns {
                Columns::SourceFirst => (first, second),
                Columns::DestinationFirst => (second, first),
            };
            Pair::Two { source, destination, rest }
        }
        _ => Pair::Many,
    }
}

/// The fields of a firewall's log: `SRC 192.0.2.1 DST 192.0.2.2 SPT 1 DPT 2`.
fn named<'a>(words: &[&'a str]) -> Option<Pair<'a>> {
    let value = |name| words[words.iter().position(|word| *word == name)? + 1..].first();
    let of = |name, port_name| {
        let port = value(port_name).and_then(|word| port(word));
        Some(End { port, ..end(value(name)?)? })
    };
    let (source, destination) = (of("SRC", "SPT")?, of("DST", "DPT")?);
    let rest = words.iter().copied().take_while(|word| *word != "SRC").collect();
    Some(Pair::Two { source, destination, rest })
}

fn port(word: &str) -> Option<u16> {
    word.trim_end_matches([':', '.']).parse().ok().filter(|port| *port > 0)
}

/// An address, with a port where one is written behind it: `192.0.2.1:22`, `[2001:db8::1]:22`, `192.0.2.1.22`.
fn end(word: &str) -> Option<End> {
    let word = word.trim_end_matches([':', '.']);
    if let Ok(address) = word.parse::<SocketAddr>() {
        return Some(End { address: address.ip(), port: Some(address.port()).filter(|port| *port > 0) });
    }
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    if let Ok(address) = bare.parse::<IpAddr>() {
        // `::` and `12::` come up in prose and in times.
        return (!address.is_unspecified() && word.len() > 4).then_some(End { address, port: None });
    }
    let (address, port) = word.rsplit_once('.')?;
    Some(End { address: IpAddr::V4(address.parse().ok()?), port: Some(port.parse().ok()?) })
}
