//! The numbers of `status` and `why`. The JSON of [`Status`] is a contract with scripts.

use super::{DenyStatus, Harm, NamedStatus, NamesStatus, ProgramStatus, ScopeStatus, TrialStatus};
use crate::conntrack::Conntrack;
use crate::events::text::plain;
use halfopen_bpf::{Attempt, AttemptState, FaultCount, Shortcoming};
use halfopen_policy::wake::Lost;
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
    /// Those of the other scopes: of `exec`, of rules and interfaces, and at most [`super::scope_status::ACCOUNTS_LISTED`] accounts of rules,
    /// those first that are suspects, waiting, have stopped UDP, or were used last.
    pub scopes: Vec<ScopeStatus>,
    /// Accounts that are not listed.
    #[serde(default)]
    pub accounts_unlisted: u64,
    /// The rules of `[[deny]]`.
    #[serde(default)]
    pub deny: Vec<DenyStatus>,
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
    /// What became of DNS answers; `None` where they are not read.
    #[serde(default)]
    pub names: Option<NamesStatus>,
    /// How full connection tracking is; `None` where nothing tracks connections.
    #[serde(default)]
    pub conntrack: Option<Conntrack>,
    /// What could not be done as intended.
    pub faults: Vec<FaultStatus>,
    /// Why the limit is not all it could be.
    pub degraded: Vec<DegradedStatus>,
    /// The daemon's process id.
    pub pid: u32,
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
    /// A rule of `never_hold` meets nobody on this host.
    UnmetRule,
    /// A rule of `[[scope]]` meets nobody on this host.
    UnmetScope,
    /// The last event reached neither journald nor syslog.
    NoSystemLog,
    /// The last event could not be written to the file of the next daemon.
    EventsNotKept,
    /// The kernel cannot set `TCP_RTO_MAX_MS`.
    LongWaits,
    /// The packets that wake waiters cannot be sent, to all or to some.
    WakeupsNotSent,
    /// The packets that wake waiters do not reach some of them.
    WakeupsWithoutEffect,
    /// The BPF file system that holds the pins is unmounted.
    PinsUnmounted,
    /// There is no user for the daemon to be.
    NoOwnUser,
    /// The kernel has no Landlock.
    NoLandlock,
    /// The kernel has no seccomp filters.
    NoSeccomp,
    /// The part of the daemon that kept root has ended for good, or does not answer.
    NoHelper,
    /// A hook that the configuration asks for could not be attached.
    HookNotAttached,
    /// DNS answers are to be read, and no resolver is known.
    NoResolver,
    /// Names count for who asked, and programs of this host have systemd-resolved ask for them.
    NamesAskedByOthers,
    /// Connection tracking is nearly full, and held attempts take entries too.
    ConntrackNearlyFull,
}

/// Network namespaces that are named where wakes are lost.
const SHOWN: usize = 3;

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
    /// Who was told the address by a DNS answer; `None` where no address is asked about, or answers are not read.
    pub named: Option<Vec<NamedStatus>>,
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
    /// Whether a DNS answer had named that address.
    #[serde(default)]
    pub named: bool,
    /// Since `connect()`, in milliseconds.
    pub age_ms: u64,
    /// Since its first SYN left, in milliseconds.
    pub out_for_ms: Option<u64>,
    /// How often its timer has asked for its turn.
    pub rechecks: u32,
    /// What it waits for, for people.
    pub waits_for: Option<String>,
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
            named: attempt.named,
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
        let named = if self.named { " (named)" } else { "" };
        write!(f, "{} (pid {}) to {}{named}: {}", plain(&self.comm), self.pid, self.destination, self.state)?;
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
            Degradation::UnmetRule => "a rule of `never_hold` meets nobody: those that it is for are held",
            Degradation::UnmetScope => "a rule of [[scope]] meets nobody: it limits nothing",
            Degradation::NoSystemLog => {
                "no system log takes events: they are on stderr and in `halfopen events` only"
            }
            Degradation::EventsNotKept => {
                "events cannot be written beside the control socket (is the file system full?): after a crash \
                 `halfopen events` will lack them; the system log has them"
            }
            Degradation::LongWaits => Shortcoming::RtoMaxNotSettable.explain(),
            Degradation::WakeupsNotSent => {
                "the packets that wake waiting attempts cannot be sent (with RUST_LOG=debug the log says why): they ask \
                 by themselves"
            }
            Degradation::WakeupsWithoutEffect => {
                "the packets that wake waiting attempts have no effect, as where a firewall drops them on lo, or a \
                 socket's filter: they ask by themselves"
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
            Degradation::NoHelper => {
                "the privileged helper does not answer, or was ended together with the process that would start it again: \
                 the limit holds, but events lack exe and cgroup, `exec` is refused, and at the end held attempts of other \
                 network namespaces keep the options of a hold: restart the daemon"
            }
            Degradation::HookNotAttached => {
                "a hook that the configuration asks for could not be attached, so that what needs it has no effect; it is \
                 tried again each second (`halfopen doctor` shows who else holds the hooks)"
            }
            Degradation::NoResolver => {
                "no resolver is known (no nameserver in /etc/resolv.conf, none in `resolvers`): no address is ever named"
            }
            Degradation::NamesAskedByOthers => {
                "programs here resolve names by nss-resolve (/etc/nsswitch.conf), past systemd-resolved's stub: what it is \
                 answered counts for itself alone, and their first contacts as unnamed; names = \"host\" counts it for all"
            }
            Degradation::ConntrackNearlyFull => "connection tracking is nearly full",
        };
        Self { reason, explanation: explanation.to_owned() }
    }
}

impl DegradedStatus {
    /// A rule of `never_hold` that meets nobody, and why.
    #[must_use]
    pub fn unmet_rule(why: &str) -> Self {
        Self::because(Degradation::UnmetRule, why)
    }

    /// A rule of `[[scope]]` that meets nobody, and why.
    #[must_use]
    pub fn unmet_scope(why: &str) -> Self {
        Self::because(Degradation::UnmetScope, why)
    }

    /// A hook that could not be attached, and why.
    #[must_use]
    pub fn hook_not_attached(why: &str) -> Self {
        Self::because(Degradation::HookNotAttached, why)
    }

    /// Connection tracking that is nearly full, and how full.
    #[must_use]
    pub fn conntrack(found: Conntrack) -> Self {
        Self::because(Degradation::ConntrackNearlyFull, &found.explain())
    }

    /// Waiters that are not woken, and where.
    #[must_use]
    pub fn where_wakes_are_lost(reason: Degradation, lost: &Lost) -> Self {
        let mut shown: Vec<String> = lost.namespaces.iter().take(SHOWN).map(u32::to_string).collect();
        if lost.and_others || lost.namespaces.len() > SHOWN {
            shown.push("...".to_owned());
        }
        let at_least = if lost.and_others { "at least " } else { "" };
        let namespaces = lost.namespaces.len() + usize::from(lost.and_others);
        let (accounts, shown) = (lost.parties, shown.join(", "));
        Self::because(
            reason,
            &format!("accounts: {accounts}; network namespaces: {at_least}{namespaces} ({shown})"),
        )
    }

    fn because(reason: Degradation, why: &str) -> Self {
        let known = Self::from(reason);
        Self { explanation: format!("{}: {why}", known.explanation), ..known }
    }
}

impl From<&FaultCount> for FaultStatus {
    fn from(found: &FaultCount) -> Self {
        Self {
            fault: found.fault.name().to_owned(),
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
    fn spans_have_two_units() {
        let spans = [0, 59, 432, 600, 3_601, 274_000].map(span);
        assert_eq!(spans, ["0 s", "59 s", "7 m 12 s", "10 m", "1 h", "3 d 4 h"]);
    }
}
