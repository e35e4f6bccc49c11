//! What waiting did to which program: the most harmed first.

use crate::events::Identity;
use crate::runs_in::RunsIn;
use halfopen_bpf::{Program, ProgramCount};
use halfopen_policy::Ledger;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// How many programs are listed one by one.
pub const LISTED: usize = 64;

/// A program, identified by its name, cgroup and user. The counts are of attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramStatus {
    /// The process whose attempt was counted last.
    pub pid: u32,
    /// The name that it gave itself.
    pub comm: String,
    /// Its executable; `None` if that process is gone or cannot be read.
    pub exe: Option<String>,
    /// Its cgroup; `None` if that is gone.
    pub cgroup: Option<String>,
    /// Its user's name or number.
    pub user: String,
    /// What its cgroup belongs to.
    #[serde(flatten)]
    pub runs_in: RunsIn,
    /// Its numbers.
    #[serde(flatten)]
    pub harm: Harm,
    /// The sum of all waits that have ended, in milliseconds.
    pub waited_ms: u64,
    /// The longest of them.
    pub longest_wait_ms: u64,
}

/// What waiting did, in attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Harm {
    /// Timed out while they waited.
    pub gave_up_while_queued: u64,
    /// Refused because the queue was full.
    pub refused_overflow: u64,
    /// Began to wait.
    pub held: u64,
    /// Let out after a wait.
    pub released: u64,
    /// Ended by their program while they waited.
    pub cancelled: u64,
    /// In audit mode: let out although enforcing would have held them.
    pub would_have_waited: u64,
}

impl Harm {
    /// The harm in a whole scope.
    #[must_use]
    pub fn of_scope(ledger: &Ledger) -> Self {
        let ended = ledger.released + ledger.cancelled + ledger.gave_up_while_queued;
        Self {
            gave_up_while_queued: ledger.gave_up_while_queued,
            refused_overflow: ledger.refused_overflow,
            held: ended + ledger.queued,
            released: ledger.released,
            cancelled: ledger.cancelled,
            would_have_waited: ledger.would_have_waited,
        }
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is left without `other`. The two may have been read at different moments.
    fn without(self, other: &Self) -> Self {
        Self {
            gave_up_while_queued: self.gave_up_while_queued.saturating_sub(other.gave_up_while_queued),
            refused_overflow: self.refused_overflow.saturating_sub(other.refused_overflow),
            held: self.held.saturating_sub(other.held),
            released: self.released.saturating_sub(other.released),
            cancelled: self.cancelled.saturating_sub(other.cancelled),
            would_have_waited: self.would_have_waited.saturating_sub(other.would_have_waited),
        }
    }
}

impl From<&ProgramCount> for Harm {
    fn from(count: &ProgramCount) -> Self {
        Self {
            gave_up_while_queued: count.gave_up_while_queued,
            refused_overflow: count.refused_overflow,
            held: count.held,
            released: count.released,
            cancelled: count.cancelled,
            would_have_waited: count.would_have_waited,
        }
    }
}

/// At most so many programs, and the rest of the host's `ledger`: from programs beyond these, and from programs that the
/// kernel part's table has forgotten.
pub fn ranked(
    mut counts: Vec<ProgramCount>,
    ledger: &Ledger,
    most: usize,
    mut identify: impl FnMut(&Program) -> Identity,
) -> (Vec<ProgramStatus>, Harm) {
    counts.sort_by_cached_key(|count| {
        let harm = (count.gave_up_while_queued, count.refused_overflow, count.waited, count.held);
        (Reverse((harm, count.would_have_waited)), count.program.comm.clone())
    });
    counts.truncate(most);
    let others = counts.iter().fold(Harm::of_scope(ledger), |left, count| left.without(&count.into()));
    let listed = counts.into_iter().map(|count| {
        let Identity { exe, cgroup, user, runs_in } = identify(&count.program);
        ProgramStatus {
            harm: Harm::from(&count),
            pid: count.program.pid,
            comm: match count.program.comm {
                // The table has only so many names for a cgroup. The rest has no name.
                none if none.is_empty() => "(others)".to_owned(),
                comm => comm,
            },
            exe,
            cgroup,
            user,
            runs_in,
            waited_ms: count.waited.as_millis() as u64,
            longest_wait_ms: count.longest_wait.as_millis() as u64,
        }
    });
    (listed.collect(), others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn count(comm: &str, gave_up: u64, held: u64) -> ProgramCount {
        ProgramCount {
            program: Program { pid: 1, uid: 0, comm: comm.to_owned(), cgroup_id: 1 },
            held,
            would_have_waited: 0,
            released: held - gave_up,
            gave_up_while_queued: gave_up,
            cancelled: 0,
            refused_overflow: 0,
            waited: Duration::from_secs(held),
            longest_wait: Duration::from_secs(1),
            last: Duration::ZERO,
        }
    }

    fn nobody(_: &Program) -> Identity {
        Identity::unknown(0)
    }

    #[test]
    fn who_gave_up_comes_first_and_the_rest_of_the_scope_is_others() {
        let ledger = Ledger { gave_up_while_queued: 5, released: 1_100, queued: 7, ..Ledger::default() };
        let counts = vec![count("busy", 0, 1_000), count("harmed", 2, 20)];
        let (listed, others) = ranked(counts, &ledger, LISTED, nobody);
        assert_eq!(
            listed.iter().map(|program| program.comm.as_str()).collect::<Vec<_>>(),
            ["harmed", "busy"]
        );
        assert_eq!((others.gave_up_while_queued, others.held, others.released), (3, 92, 82));
    }

    #[test]
    fn a_program_beyond_the_list_is_among_the_others() {
        let counts: Vec<_> = (0..=LISTED as u64).map(|held| count("many", 0, held)).collect();
        let all = counts.iter().map(|count| count.held).sum();
        let (listed, others) = ranked(counts, &Ledger { released: all, ..Ledger::default() }, LISTED, nobody);
        assert_eq!((listed.len(), others.held), (LISTED, 0), "the last one has nothing");
    }

    #[test]
    fn json_has_the_names_on_one_level() {
        let (listed, _) = ranked(vec![count("a", 1, 2)], &Ledger::default(), LISTED, nobody);
        let json = serde_json::to_value(&listed[0]).unwrap();
        for name in "pid comm exe cgroup user gave_up_while_queued held released cancelled refused_overflow \
                     would_have_waited waited_ms longest_wait_ms"
            .split_whitespace()
        {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(serde_json::from_value::<ProgramStatus>(json).unwrap(), listed[0]);
    }
}
