//! What `status` shows about a scope or account.

use super::{ConnectionsStatus, UdpStatus};
use crate::events::Reason;
use crate::events::text::plain;
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_policy::{Ledger, Limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many accounts of rules `status` lists.
pub const ACCOUNTS_LISTED: usize = 64;

/// What a scope is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// All attempts.
    #[default]
    Host,
    /// A program that `exec` started.
    Exec,
    /// A `[[scope]]`. If it has accounts, the attempts that found no account of their own.
    Rule,
    /// An account of a `[[scope]]`.
    Account,
    /// An `[[interface]]`.
    Interface,
}

/// The credit of first contacts, if they cost credit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrustStatus {
    /// When it became a suspect; `None` = it is not a suspect.
    #[serde(default)]
    pub suspect_since: Option<UtcTime>,
    /// Until when its connects fail, by `on_suspect` or by hand; `None` = it is not blocked.
    #[serde(default)]
    pub blocked_until: Option<UtcTime>,
    /// How many first contacts with strangers may go out now, on the port that has spent the most.
    #[serde(default)]
    pub credit: Option<u32>,
    /// First contacts let out so far.
    #[serde(default)]
    pub first_contacts: Option<u64>,
    /// The same as `credit`, for addresses that a DNS answer has named recently; `None` before the first such contact.
    #[serde(default)]
    pub credit_named: Option<u32>,
    /// The same, for network namespaces that users have made for themselves; `None` before the first such contact.
    #[serde(default)]
    pub credit_foreign: Option<u32>,
}

/// The numbers of a scope: counts of attempts unless something else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeStatus {
    /// Its name. An account's name says in brackets whose account it is.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub kind: ScopeKind,
    /// What the cgroup belongs to that an account is for.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// How many may hold a slot at once; `None` = unlimited.
    pub half_open_limit: Option<u32>,
    /// Releases per second; `None` = unlimited.
    pub drain_per_s: Option<f64>,
    /// Holding a slot.
    pub half_open: u64,
    /// Out for longer than `slot_life`.
    pub aged: u64,
    /// Waiting.
    pub queued: u64,
    /// Let out at once.
    pub admitted: u64,
    /// Let out after a wait.
    pub released: u64,
    /// Ended by their program while they waited.
    pub cancelled: u64,
    /// Timed out while they waited.
    pub gave_up_while_queued: u64,
    /// Answered.
    pub established: u64,
    /// Refused, unreachable, timed out or closed after their SYN had left.
    pub failed: u64,
    /// Refused because the queue was full.
    pub refused_overflow: u64,
    /// Refused because the account was blocked.
    #[serde(default)]
    pub refused_blocked: u64,
    /// In audit mode: let out although enforcing would have held them.
    pub would_have_waited: u64,
    /// The longest wait that has ended, in milliseconds.
    pub longest_wait_ms: u64,
    /// Whether anything waits now.
    pub saturated: bool,
    /// The credit of its first contacts.
    #[serde(flatten)]
    pub trust: TrustStatus,
    /// Its first contacts over UDP; `None` = they are not limited.
    #[serde(default)]
    pub udp: Option<UdpStatus>,
    /// Its connections; `None` = they are not limited.
    #[serde(default)]
    pub connections: Option<ConnectionsStatus>,
}

impl ScopeStatus {
    /// The numbers of the scope called `name`.
    #[must_use]
    pub fn new(name: &str, kind: ScopeKind, limits: &Limits, ledger: &Ledger) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            runs_in: RunsIn::default(),
            half_open_limit: limits.half_open,
            drain_per_s: limits.drain.map(halfopen_policy::Rate::per_second),
            half_open: ledger.half_open,
            aged: ledger.aged,
            queued: ledger.queued,
            admitted: ledger.admitted,
            released: ledger.released,
            cancelled: ledger.cancelled,
            gave_up_while_queued: ledger.gave_up_while_queued,
            established: ledger.established,
            failed: ledger.failed,
            refused_overflow: ledger.refused_overflow,
            refused_blocked: ledger.blocked,
            would_have_waited: ledger.would_have_waited,
            longest_wait_ms: ledger.longest_wait.as_millis() as u64,
            saturated: ledger.saturated(),
            trust: TrustStatus::default(),
            udp: limits.datagrams.map(|_| UdpStatus::new(&ledger.datagrams)),
            connections: ConnectionsStatus::new(&limits.connections, &ledger.connections),
        }
    }

    /// What a first contact waits for if it waits for credit, for people.
    fn credit_waited_for(&self) -> String {
        let since = self.trust.suspect_since.as_ref();
        let suspect =
            since.map_or_else(String::new, |since| format!(" and has been a suspect since {since}"));
        format!(
            "credit: it is a first contact, and {} has spent its credit on others{suspect}; answers earn credit, and \
             so does time; {}",
            plain(&self.name),
            self.waiting()
        )
    }

    fn waiting(&self) -> String {
        match self.queued {
            1 => "1 attempt waits".to_owned(),
            n => format!("{n} attempts wait"),
        }
    }

    /// Whether nothing was ever charged to it: a rule without attempts, or with an account for each of them.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.admitted + self.released + self.queued + self.would_have_waited == 0
            && self
                .udp
                .as_ref()
                .is_none_or(|udp| udp.let_out + udp.stopped + udp.would_have_been_stopped == 0)
            && self.cancelled + self.gave_up_while_queued + self.refused_overflow + self.refused_blocked == 0
    }

    /// The most important numbers in one line, for people.
    #[must_use]
    pub fn in_short(&self) -> String {
        let of = |limit: Option<u32>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let mut parts = vec![
            format!("queued {}", self.queued),
            format!("half-open {}{}", self.half_open, of(self.half_open_limit)),
        ];
        parts.extend(self.trust.credit.map(|credit| format!("credit {credit}")));
        parts.extend(self.trust.credit_named.map(|credit| format!("for named {credit}")));
        parts.extend(self.trust.credit_foreign.map(|credit| format!("for foreign {credit}")));
        parts.extend(self.trust.first_contacts.map(|count| format!("first contacts {count}")));
        let counted = [
            ("gave up while queued", self.gave_up_while_queued),
            ("refused, queue full", self.refused_overflow),
            ("refused, blocked", self.refused_blocked),
        ];
        parts.extend(counted.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {n}")));
        parts.extend(self.connections.as_ref().map(ToString::to_string));
        parts.extend(self.udp.as_ref().map(ToString::to_string));
        parts.extend(self.trust.suspect_since.as_ref().map(|since| format!("SUSPECT since {since}")));
        parts.extend(self.trust.blocked_until.as_ref().map(|until| format!("BLOCKED until {until}")));
        let runs_in = self.runs_in.named().map_or_else(String::new, |named| format!(" ({})", plain(&named)));
        format!("{}{runs_in}: {}", plain(&self.name), parts.join(", "))
    }

    /// What a waiting attempt of this scope waits for, for people.
    #[must_use]
    pub fn waited_for(&self, reason: Reason) -> String {
        let waiting = self.waiting();
        match reason {
            Reason::Credit => self.credit_waited_for(),
            Reason::Slot => {
                let limit = self.half_open_limit.unwrap_or_default();
                format!("a slot of {}: {} of {limit} are in use, {waiting}", self.name, self.half_open)
            }
            Reason::Rate => {
                let rate = self.drain_per_s.unwrap_or_default();
                format!("its turn in {}: {waiting}, {rate}/s are let out", self.name)
            }
            Reason::Turn | Reason::Queue => format!("its next re-check: {} has a slot for it", self.name),
            Reason::ConnectRate
            | Reason::Established
            | Reason::DestinationHalfOpen
            | Reason::DestinationConnectRate
            | Reason::DestinationEstablished => {
                let told = self.connections.as_ref().and_then(|of| of.waited_for(reason));
                let told = told.map(|told| format!("{told} in {}, {}", plain(&self.name), self.waiting()));
                told.unwrap_or_else(|| "its next re-check: its limit on connections has ended".to_owned())
            }
        }
    }

    /// Why an attempt of this scope waits, if not for credit or a connection.
    #[must_use]
    pub fn holds_back_by(&self, strict: bool) -> Reason {
        match (self.half_open_limit, self.drain_per_s) {
            (Some(limit), _) if strict && self.half_open >= u64::from(limit) => Reason::Slot,
            (_, Some(_)) => Reason::Rate,
            (_, None) => Reason::Turn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_s_json_has_the_contract_s_names() {
        let limits = Limits { half_open: None, drain: None, ..Limits::xp_sp2() };
        let scope =
            ScopeStatus::new("host", ScopeKind::Host, &limits, &Ledger { queued: 3, ..Ledger::default() });
        let json = serde_json::to_value(&scope).unwrap();
        let names = "name half_open_limit drain_per_s half_open aged queued admitted released cancelled \
                     gave_up_while_queued established failed refused_overflow longest_wait_ms saturated \
                     kind suspect_since blocked_until credit first_contacts credit_named credit_foreign udp connections";
        for name in names.split_whitespace() {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert!(json["half_open_limit"].is_null() && json["drain_per_s"].is_null());
        assert_eq!(json["saturated"], true);
    }

    #[test]
    fn a_waiter_waits_for_a_slot_or_its_turn() {
        let ledger = Ledger { half_open: 10, queued: 244, ..Ledger::default() };
        let scope = ScopeStatus::new("host", ScopeKind::Host, &Limits::xp_sp2(), &ledger);
        assert_eq!(
            scope.waited_for(scope.holds_back_by(true)),
            "a slot of host: 10 of 10 are in use, 244 attempts wait"
        );
        assert_eq!(
            scope.waited_for(scope.holds_back_by(false)),
            "its turn in host: 244 attempts wait, 10/s are let out"
        );
    }

    #[test]
    fn a_first_contact_waits_for_credit() {
        let ledger = Ledger { queued: 3, blocked: 2, ..Ledger::default() };
        let open = Limits { half_open: None, drain: None, ..Limits::xp_sp2() };
        let trust = TrustStatus {
            suspect_since: Some(UtcTime::EPOCH),
            credit: Some(0),
            first_contacts: Some(40),
            credit_named: Some(9),
            credit_foreign: None,
            blocked_until: None,
        };
        let new = ScopeStatus::new("adaptive[/a\n]", ScopeKind::Account, &open, &ledger);
        let scope = ScopeStatus { trust, ..new };
        assert_eq!(
            scope.credit_waited_for(),
            "credit: it is a first contact, and adaptive[/a\\x0a] has spent its credit on others and has been a \
             suspect since 1970-01-01T00:00:00.000Z; answers earn credit, and so does time; 3 attempts wait"
        );
        assert_eq!(
            scope.in_short(),
            "adaptive[/a\\x0a]: queued 3, half-open 0, credit 0, for named 9, first contacts 40, refused, blocked 2, \
             SUSPECT since 1970-01-01T00:00:00.000Z"
        );
        let sent = serde_json::to_string(&scope).unwrap();
        assert_eq!(serde_json::from_str::<ScopeStatus>(&sent).unwrap(), scope);
    }
}
