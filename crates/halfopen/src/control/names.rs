//! What `status` and `why` show about DNS answers.

use super::status::span;
use crate::events::text::plain;
use halfopen_bpf::NamesCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Whose attempts a DNS answer counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trusted {
    /// Those of the programs in the cgroup that asked.
    Client,
    /// Those of all programs of the host.
    Host,
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Host => "host",
        })
    }
}

/// What became of DNS answers since the limit began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamesStatus {
    /// Whose attempts the answers count for.
    pub trust: Trusted,
    /// For how many seconds an address stays named, unless the answer's TTL is longer.
    pub for_s: u64,
    /// The resolvers whose answers are read.
    pub resolvers: Vec<IpAddr>,
    /// Answers read to their end.
    pub answers_read: u64,
    /// Addresses that these answers named.
    pub addresses_named: u64,
    /// Answers that named nothing, whatever they contained.
    pub refused: RefusedAnswers,
    /// Questions or addresses for which there was no room.
    pub not_stored: u64,
}

/// Why answers named nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RefusedAnswers {
    /// Nobody had asked this resolver, with this id and from this socket, within ten seconds.
    pub no_query: u64,
    /// Another question had been asked.
    pub other_question: u64,
    /// They were marked as truncated.
    pub truncated: u64,
    /// They reported that there is no such name, or another error.
    pub errors: u64,
    /// They were not complete DNS messages.
    pub malformed: u64,
    /// They were longer than the kernel part reads.
    pub too_long: u64,
    /// Another answer was being read on the same CPU.
    pub cpu_busy: u64,
}

impl NamesStatus {
    /// The numbers of `counts`.
    #[must_use]
    pub fn new(trust: Trusted, for_s: u64, resolvers: Vec<IpAddr>, counts: &NamesCounts) -> Self {
        Self {
            trust,
            for_s,
            resolvers,
            answers_read: counts.read,
            addresses_named: counts.named,
            refused: RefusedAnswers {
                no_query: counts.no_query,
                other_question: counts.other_question,
                truncated: counts.truncated,
                errors: counts.errors,
                malformed: counts.malformed,
                too_long: counts.too_long,
                cpu_busy: counts.cpu_busy,
            },
            not_stored: counts.not_stored,
        }
    }
}

/// One line for people.
impl fmt::Display for NamesStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.refused;
        let reasons = [
            ("unasked", refused.no_query),
            ("to another question", refused.other_question),
            ("truncated", refused.truncated),
            ("malformed", refused.malformed),
            ("too long", refused.too_long),
            ("while another was read", refused.cpu_busy),
        ];
        let reasons: Vec<String> = reasons
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let resolvers: Vec<String> = self.resolvers.iter().map(ToString::to_string).collect();
        write!(
            f,
            "names ({}): {} answers read, {} addresses named, {} errors; resolvers: {}",
            self.trust,
            self.answers_read,
            self.addresses_named,
            refused.errors,
            if resolvers.is_empty() { "none".to_owned() } else { resolvers.join(", ") }
        )?;
        if !reasons.is_empty() {
            write!(f, "; refused: {}", reasons.join(", "))?;
        }
        if self.not_stored > 0 {
            write!(f, "; no room {} times", self.not_stored)?;
        }
        Ok(())
    }
}

/// A DNS answer that still names an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedStatus {
    /// The cgroup of the programs that asked; `None` = the answer counts for all.
    pub client: Option<String>,
    /// For how many more seconds the address stays named.
    pub for_s: u64,
}

/// One line for people.
impl fmt::Display for NamedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = self.client.as_ref().map_or_else(|| "all".to_owned(), |client| plain(client));
        write!(f, "a DNS answer has named it for {whom}: {} more", span(self.for_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_was_read_and_what_was_refused() {
        let counts = NamesCounts { read: 3, named: 5, no_query: 2, not_stored: 1, ..NamesCounts::default() };
        let status = NamesStatus::new(Trusted::Client, 3600, vec!["127.0.0.53".parse().unwrap()], &counts);
        assert_eq!(
            status.to_string(),
            "names (client): 3 answers read, 5 addresses named, 0 errors; resolvers: 127.0.0.53; refused: 2 \
             unasked; no room 1 times"
        );
        let named = NamedStatus { client: None, for_s: 3599 };
        assert_eq!(named.to_string(), "a DNS answer has named it for all: 59 m 59 s more");
    }
}
