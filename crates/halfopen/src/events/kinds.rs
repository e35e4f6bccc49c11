//! The kinds of events: when each is sent, and how often at most.

use super::record::{CONNECTIONS_ID, DENIED_ID, EVENT_ID, STOPPED_ID, SUSPECT_ID, State};
use super::{episode, held_connections, stopped_datagrams, suspects};

/// A kind of event. A key has at most one of a kind in a minute; 4226 comes in pairs, and a pair counts once.
#[derive(Debug)]
pub struct Kind {
    /// Its number.
    pub id: u16,
    /// The states that it reports.
    pub states: &'static [State],
    /// When it is sent.
    pub when: &'static str,
    /// What its rate limit counts by.
    pub key: &'static str,
    /// How many are sent in a minute, whatever their keys; `None` = as many as there are keys.
    pub in_all: Option<usize>,
    /// What becomes of those that the rate limit keeps back.
    pub kept_back: &'static str,
}

/// All kinds.
pub const KINDS: [Kind; 5] = [
    Kind {
        id: EVENT_ID,
        states: &[State::Reached, State::Cleared],
        when: "An attempt has waited for `event_after`, was refused because the queue was full, or gave up while it \
               waited; in audit mode, would have waited. `cleared` follows when no attempt has waited for ten \
               seconds, or when the scope has ended.",
        key: "scope",
        in_all: Some(episode::PAIRS_PER_MINUTE),
        kept_back: "the next pair of the scope counts the episodes in, and its message says how many",
    },
    Kind {
        id: SUSPECT_ID,
        states: &[State::Suspect],
        when: "An account has become a suspect: its first contacts mostly fail.",
        key: "account",
        in_all: Some(suspects::PER_MINUTE),
        kept_back: "`suspect.others` of the next one lists their names",
    },
    Kind {
        id: DENIED_ID,
        states: &[State::Denied],
        when: "A rule of `[[deny]]` has matched.",
        key: "rule",
        in_all: None,
        kept_back: "`denied` of the next one counts the calls in",
    },
    Kind {
        id: STOPPED_ID,
        states: &[State::UdpStopped],
        when: "First contacts over UDP were refused or dropped; in audit mode, would have been.",
        key: "scope or account",
        in_all: Some(stopped_datagrams::PER_MINUTE),
        kept_back: "`udp` of the next one counts the first contacts in; the account that has waited longest for its \
                    event comes first",
    },
    Kind {
        id: CONNECTIONS_ID,
        states: &[State::ConnectionLimit],
        when: "An attempt has waited for `event_after` for a limit on connections; in audit mode, would have waited for \
               one.",
        key: "scope or account",
        in_all: Some(held_connections::PER_MINUTE),
        kept_back: "`connections.waited` of the next one counts the attempts in; the account that has waited longest \
                    for its event comes first",
    },
];
