//! The numbers of `status` and `why`. The JSON of [`Status`] is a contract with scripts.

use super::{Harm, ProgramStatus, TrialStatus};
use crate::events::text::plain;
use halfopen_kernel::{Attempt, AttemptState, FaultCount, Shortcoming};
use halfopen_policy::{Ledger, Limits};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything that `status` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `enforce`, `audit` or `off`.
    pub mode: String,
    /// The preset's name.
    pub preset: String,
    /// Whether the limit outlives the daemon.
    pub persist: bool,
    /// The same for the same effective configuration.
    pub config_hash: String,
    /// The host's numbers.
    pub host: ScopeStatus,
    /// Those of the other scopes: of `exec`, of rules and interfaces, and at most [`ACCOUNTS_LISTED`] accounts of rules,
    /// those first that are suspects, blocked, waiting, or were used last.
    pub scopes: Vec<ScopeStatus>,
    /// Accounts that are not listed.
    #[serde(default)]
    pub accounts_unlisted: u64,
    /// What waiting did to which program: the most harmed first, at most [`super::programs::LISTED`].
    pub programs: Vec<ProgramStatus>,
    /// What it did to all others.
    pub others: Harm,
    /// Since when all numbers have been counted: RFC 3339, UTC.
    pub counting_since: String,
    /// For how many seconds.
    pub counting_for_s: u64,
    /// Whether `mode` is on trial.
    pub trial: Option<TrialStatus>,
    /// What could not be done as intended.
    pub faults: Vec<FaultStatus>,
    /// Why the limit is not all it could be.
    pub degraded: Vec<DegradedStatus>,
    /// The daemon's process id.
    pub pid: u32,
}

/// Accounts of rules that `status` lists.
pub const ACCOUNTS_LISTED: usize = 64;

/// What a scope is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// All attempts.
    #[default]
    Host,
    /// A program that `exec` started.
    Exec,
    /// A `[[scope]]`; where it has accounts, what found no account of its own.
    Rule,
    /// An account of a `[[scope]]`.
    Account,
    /// An `[[interface]]`.
    Interface,
}

/// What first contacts have come to, where they cost something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustStatus {
    /// Since when they have mostly failed: RFC 3339, UTC; `None` = it is no suspect.
    #[serde(default)]
    pub suspect_since: Option<String>,
    /// Until when its connects fail; `None` = it is not blocked.
    #[serde(default)]
    pub blocked_until: Option<String>,
    /// First contacts that may go out now.
    #[serde(default)]
    pub credit: Option<u32>,
    /// First contacts let out so far.
    #[serde(default)]
    pub first_contacts: Option<u64>,
}

/// One scope's numbers: counts of attempts where nothing else is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeStatus {
    /// Its name; an account's has whose it is in brackets.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub kind: ScopeKind,
    /// `None` = unlimited.
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
    /// In audit mode: let out where enforcing would have held them.
    pub would_have_waited: u64,
    /// The longest wait that has ended, in milliseconds.
    pub longest_wait_ms: u64,
    /// Whether anything waits now.
    pub saturated: bool,
    /// What its first contacts have come to.
    #[serde(flatten)]
    pub trust: TrustStatus,
}

/// How often something could not be done as intended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultStatus {
    /// Its name.
    pub fault: String,
    /// How often since the start.
    pub count: u64,
    /// What it means.
    pub explanation: String,
}

/// Why the limit is less than it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degradation {
    /// The mode is `audit`.
    Audit,
    /// The mode is `off`.
    Off,
    /// A rule of `essential` meets nobody on this host.
    UnmetRule,
    /// A rule of `[[scope]]` meets nobody on this host.
    UnmetScope,
    /// The last event reached neither journald nor syslog.
    NoSystemLog,
    /// The last event could not be written to the file of the next daemon.
    EventsNotKept,
    /// The kernel cannot set `TCP_RTO_MAX_MS`.
    LongWaits,
    /// The packets that wake waiters cannot be sent.
    PokesNotSent,
    /// The packets that wake waiters do not reach them.
    PokesWithoutEffect,
    /// The BPF file system that holds the pins is unmounted.
    PinsUnmounted,
    /// There is no user for the daemon to be.
    NoOwnUser,
    /// The kernel has no Landlock.
    NoLandlock,
    /// The kernel has no seccomp filters.
    NoSeccomp,
    /// The part of the daemon that kept root has ended.
    NoHand,
}

/// A [`Degradation`] with its explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradedStatus {
    /// For programs.
    pub reason: Degradation,
    /// For people.
    pub explanation: String,
}

/// What `why` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The host's numbers.
    pub host: ScopeStatus,
    /// What holds for all of them, or why there are none.
    pub note: Option<String>,
    /// How many attempts there are.
    pub in_all: usize,
    /// The oldest of them.
    pub attempts: Vec<AttemptStatus>,
}

/// A live attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStatus {
    /// `queued`, `half-open` or `aged`.
    pub state: String,
    /// The scope besides the host.
    pub scope: Option<String>,
    /// Process id.
    pub pid: u32,
    /// The name that the program gave itself.
    pub comm: String,
    /// Where to.
    pub destination: String,
    /// Since `connect()`, in milliseconds.
    pub age_ms: u64,
    /// Since its first SYN left, in milliseconds.
    pub out_for_ms: Option<u64>,
    /// How often its timer has asked for its turn.
    pub rechecks: u32,
    /// What it waits for, for people.
    pub waits_for: Option<String>,
}

impl ScopeStatus {
    /// The numbers of the scope called `name`.
    #[must_use]
    pub fn new(name: &str, kind: ScopeKind, limits: &Limits, ledger: &Ledger) -> Self {
        Self {
            name: name.to_owned(),
            kind,
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
        }
    }

    /// What a first contact that waits for credit waits for, for people.
    #[must_use]
    pub fn credit_waited_for(&self) -> String {
        let since = self.trust.suspect_since.as_ref();
        let suspect = since.map_or_else(String::new, |since| format!(", which is a suspect since {since}"));
        format!(
            "credit: it is a first contact, and {} has spent what it had on others{suspect}; answers earn some, and time \
             does; {}",
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

    /// One line on what is worth knowing of it, for people.
    #[must_use]
    pub fn in_short(&self) -> String {
        let of = |limit: Option<u32>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let mut parts = vec![
            format!("queued {}", self.queued),
            format!("half-open {}{}", self.half_open, of(self.half_open_limit)),
        ];
        parts.extend(self.trust.credit.map(|credit| format!("credit {credit}")));
        parts.extend(self.trust.first_contacts.map(|count| format!("first contacts {count}")));
        let counted = [
            ("gave up while queued", self.gave_up_while_queued),
            ("refused, queue full", self.refused_overflow),
            ("refused, blocked", self.refused_blocked),
        ];
        parts.extend(counted.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} {n}")));
        parts.extend(self.trust.suspect_since.as_ref().map(|since| format!("SUSPECT since {since}")));
        parts.extend(self.trust.blocked_until.as_ref().map(|until| format!("BLOCKED until {until}")));
        format!("{}: {}", plain(&self.name), parts.join(", "))
    }

    /// What an attempt that waits in this scope waits for, for people.
    #[must_use]
    pub fn waited_for(&self, strict: bool) -> String {
        let waiting = self.waiting();
        match (self.half_open_limit, self.drain_per_s) {
            (Some(limit), _) if strict && self.half_open >= u64::from(limit) => {
                format!("a slot of {}: {} of {limit} are in use, {waiting}", self.name, self.half_open)
            }
            (_, Some(rate)) => format!("its turn in {}: {waiting}, {rate}/s are let out", self.name),
            (_, None) => format!("its next re-check: {} has a slot for it", self.name),
        }
    }
}

impl AttemptStatus {
    /// `attempt`, which is charged to the scope called `scope` besides the host.
    #[must_use]
    pub fn new(attempt: &Attempt, scope: Option<&str>, waits_for: Option<String>) -> Self {
        let state = match attempt.state {
            AttemptState::Queued => "queued",
            AttemptState::HalfOpen => "half-open",
            AttemptState::Aged => "aged",
        };
        Self {
            state: state.to_owned(),
            scope: scope.map(ToOwned::to_owned),
            pid: attempt.program.pid,
            comm: attempt.program.comm.clone(),
            destination: attempt.destination.to_string(),
            age_ms: attempt.age.as_millis() as u64,
            out_for_ms: attempt.out_for.map(|time| time.as_millis() as u64),
            rechecks: attempt.rechecks,
            waits_for,
        }
    }
}

/// One line for people.
impl fmt::Display for AttemptStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}) to {}: {}", plain(&self.comm), self.pid, self.destination, self.state)?;
        match self.out_for_ms {
            Some(out) => write!(f, ", unanswered for {}", seconds(out))?,
            None => write!(f, " for {}, asked {} times", seconds(self.age_ms), self.rechecks)?,
        }
        if let Some(scope) = &self.scope {
            write!(f, ", also in {}", plain(scope))?;
        }
        match &self.waits_for {
            Some(waits_for) => write!(f, "; waits for {}", plain(waits_for)),
            None => Ok(()),
        }
    }
}

impl From<Shortcoming> for Degradation {
    fn from(found: Shortcoming) -> Self {
        match found {
            Shortcoming::RtoMaxNotSettable => Self::LongWaits,
        }
    }
}

impl From<Degradation> for DegradedStatus {
    fn from(reason: Degradation) -> Self {
        let explanation = match reason {
            Degradation::Audit => "mode is audit: nothing is held",
            Degradation::Off => "mode is off: nothing is held or counted",
            Degradation::UnmetRule => "a rule of `essential` meets nobody: those that it is for are held",
            Degradation::UnmetScope => "a rule of [[scope]] meets nobody: it limits nothing",
            Degradation::NoSystemLog => {
                "no system log takes events: they are on stderr and in `halfopen events` only"
            }
            Degradation::EventsNotKept => {
                "events cannot be written beside the control socket (is the file system full?): after a crash \
                 `halfopen events` will lack them; the system log has them"
            }
            Degradation::LongWaits => Shortcoming::RtoMaxNotSettable.explain(),
            Degradation::PokesNotSent => {
                "the packets that wake waiting attempts cannot be sent (the log says why): they ask by themselves"
            }
            Degradation::PokesWithoutEffect => {
                "the packets that wake waiting attempts have no effect, as where a firewall drops them on lo: \
                 attempts ask by themselves"
            }
            Degradation::PinsUnmounted => {
                "the BPF file system that holds the pins is unmounted: the limit may end with this daemon, and the next \
                 one cannot take it over; mount it (mount -t bpf bpf /sys/fs/bpf), `halfopen off`, start anew"
            }
            Degradation::NoOwnUser => {
                "there is no user halfopen: the daemon stays uid 0, without capabilities (the package makes the user; \
                 or: useradd --system --no-create-home halfopen)"
            }
            Degradation::NoLandlock => {
                "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=): the daemon can read what \
                 its user can"
            }
            Degradation::NoSeccomp => {
                "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): the daemon can make every system call"
            }
            Degradation::NoHand => {
                "the part of the daemon that kept root has ended: the limit holds, but events lack exe and cgroup, `exec` \
                 is refused, and at the end held attempts of other network namespaces keep the options of a hold: \
                 restart the daemon"
            }
        };
        Self { reason, explanation: explanation.to_owned() }
    }
}

impl DegradedStatus {
    /// A rule of `essential` that meets nobody, and why.
    #[must_use]
    pub fn unmet_rule(why: &str) -> Self {
        Self::unmet(Degradation::UnmetRule, why)
    }

    /// A rule of `[[scope]]` that meets nobody, and why.
    #[must_use]
    pub fn unmet_scope(why: &str) -> Self {
        Self::unmet(Degradation::UnmetScope, why)
    }

    fn unmet(reason: Degradation, why: &str) -> Self {
        let known = Self::from(reason);
        Self { explanation: format!("{}: {why}", known.explanation), ..known }
    }
}

impl From<&FaultCount> for FaultStatus {
    fn from(found: &FaultCount) -> Self {
        Self {
            fault: format!("{:?}", found.fault),
            count: found.count,
            explanation: found.fault.explain().to_owned(),
        }
    }
}

/// Milliseconds as seconds, for people.
#[must_use]
pub fn seconds(millis: u64) -> String {
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

/// Seconds in the two largest units that they fill, for people.
#[must_use]
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let parts = UNITS.iter().skip(first).take(2).map(|(unit, name)| {
        let count = left / unit;
        left %= unit;
        (count, name)
    });
    let parts = parts.enumerate().filter(|(at, (count, _))| *at == 0 || *count > 0);
    parts.map(|(_, (count, name))| format!("{count} {name}")).collect::<Vec<_>>().join(" ")
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
                     kind suspect_since blocked_until credit first_contacts";
        for name in names.split_whitespace() {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert!(json["half_open_limit"].is_null() && json["drain_per_s"].is_null());
        assert_eq!(json["saturated"], true);
    }

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 59, 432, 600, 3_601, 274_000].map(span);
        assert_eq!(spans, ["0 s", "59 s", "7 m 12 s", "10 m", "1 h", "3 d 4 h"]);
    }

    #[test]
    fn a_waiter_waits_for_a_slot_or_its_turn() {
        let ledger = Ledger { half_open: 10, queued: 244, ..Ledger::default() };
        let scope = ScopeStatus::new("host", ScopeKind::Host, &Limits::xp_sp2(), &ledger);
        assert_eq!(scope.waited_for(true), "a slot of host: 10 of 10 are in use, 244 attempts wait");
        assert_eq!(scope.waited_for(false), "its turn in host: 244 attempts wait, 10/s are let out");
    }

    #[test]
    fn a_first_contact_waits_for_credit() {
        let ledger = Ledger { queued: 3, blocked: 2, ..Ledger::default() };
        let open = Limits { half_open: None, drain: None, ..Limits::xp_sp2() };
        let trust = TrustStatus {
            suspect_since: Some("1970-01-01T00:00:00.000Z".into()),
            credit: Some(0),
            first_contacts: Some(40),
            blocked_until: None,
        };
        let new = ScopeStatus::new("second[/a\n]", ScopeKind::Account, &open, &ledger);
        let scope = ScopeStatus { trust, ..new };
        assert_eq!(
            scope.credit_waited_for(),
            "credit: it is a first contact, and second[/a\\u{a}] has spent what it had on others, which is a suspect since \
             1970-01-01T00:00:00.000Z; answers earn some, and time does; 3 attempts wait"
        );
        assert_eq!(
            scope.in_short(),
            "second[/a\\u{a}]: queued 3, half-open 0, credit 0, first contacts 40, refused, blocked 2, SUSPECT since \
             1970-01-01T00:00:00.000Z"
        );
        let sent = serde_json::to_string(&scope).unwrap();
        assert_eq!(serde_json::from_str::<ScopeStatus>(&sent).unwrap(), scope);
    }
}
