//! First contacts over UDP that were stopped: one event a minute for an account at most, and ten a minute for all of them
//! together, so that many accounts cannot flood the log; the others are counted in the account's next. Pure: the caller
//! tells the time, on the kernel's monotonic clock.

use super::Tally;
use halfopen_bpf::{AccountId, StoppedDatagram};
use halfopen_policy::{DatagramCounts, Excess};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const PER_MINUTE: usize = 10;

/// What an event has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedReport {
    /// The account's name.
    pub account: String,
    /// What became of its first contacts since its last event.
    pub counts: DatagramCounts,
    /// What happens to those that are stopped.
    pub excess: Excess,
    /// Whose the last one was, where that can be told.
    pub program: Option<Tally>,
    /// The cgroup that its socket was made in.
    pub cgroup: Option<String>,
    /// Where it was to go.
    pub destination: SocketAddr,
}

#[derive(Debug, Default)]
struct Told {
    announced: Option<Duration>,
    /// When the last one was that is in `counts`.
    last: Duration,
    counts: DatagramCounts,
}

/// Those of all accounts.
#[derive(Debug, Default)]
pub struct StoppedDatagrams {
    accounts: BTreeMap<AccountId, Told>,
    /// What an earlier daemon announced, by name.
    earlier: BTreeMap<String, Duration>,
    announced: VecDeque<Duration>,
}

impl StoppedDatagrams {
    /// Takes note of an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, account: &str, at: Duration) {
        self.earlier.insert(account.to_owned(), at);
    }

    /// Takes note of what an account of this name had counted, and when it stopped the last, before there was a daemon to
    /// tell of it.
    pub fn known(&mut self, account: AccountId, name: &str, last: Duration, counts: DatagramCounts) {
        let announced = self.earlier.remove(name);
        self.accounts.insert(account, Told { announced, last, counts });
    }

    /// Those whose event is due, by the last of each account; who has waited for longest comes first. Accounts that are gone
    /// are forgotten.
    pub fn due(&mut self, now: Duration, stops: &[StoppedDatagram]) -> Vec<StoppedDatagram> {
        // While nothing is limited nothing is read, and accounts may come back as they were.
        if stops.is_empty() {
            return Vec::new();
        }
        self.accounts.retain(|account, _| stops.binary_search_by_key(account, |stop| stop.account).is_ok());
        while self.announced.front().is_some_and(|at| *at + MINUTE <= now) {
            self.announced.pop_front();
        }
        let announced =
            |stop: &StoppedDatagram| self.accounts.get(&stop.account).and_then(|told| told.announced);
        let is_new = |stop: &&StoppedDatagram| {
            self.accounts.get(&stop.account).is_none_or(|told| stop.at > told.last)
                && announced(stop).is_none_or(|at| at + MINUTE <= now)
        };
        let mut due: Vec<_> = stops.iter().filter(is_new).cloned().collect();
        due.sort_by_key(announced);
        due.truncate(PER_MINUTE.saturating_sub(self.announced.len()));
        due
    }

    /// An event is written for `stop`, whose account has come to `counts`. Returns what has come to it since the last one;
    /// `None` where that event has told of it already.
    pub fn tell(
        &mut self,
        now: Duration,
        stop: &StoppedDatagram,
        counts: DatagramCounts,
    ) -> Option<DatagramCounts> {
        let told = self.accounts.entry(stop.account).or_default();
        let before = told.counts;
        // An account that was away for a while has begun anew.
        let anew = counts.let_out < before.let_out
            || counts.stopped < before.stopped
            || counts.would_have_been_stopped < before.would_have_been_stopped;
        let before = if anew { DatagramCounts::default() } else { before };
        let since = DatagramCounts {
            let_out: counts.let_out - before.let_out,
            stopped: counts.stopped - before.stopped,
            would_have_been_stopped: counts.would_have_been_stopped - before.would_have_been_stopped,
        };
        told.last = stop.at;
        if since.stopped + since.would_have_been_stopped == 0 {
            return None;
        }
        told.counts = counts;
        told.announced = Some(now);
        self.announced.push_back(now);
        Some(since)
    }

    /// There is nothing to tell of `stop`: its account has no limit any more.
    pub fn pass_over(&mut self, stop: &StoppedDatagram) {
        self.accounts.entry(stop.account).or_default().last = stop.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::ScopeId;

    fn stop(id: u64, at: u64) -> StoppedDatagram {
        StoppedDatagram {
            account: AccountId { scope: ScopeId::numbered(64), id },
            at: Duration::from_millis(at),
            program: None,
            cgroup_id: 1,
            destination: ([198, 18, 0, 7], 53).into(),
            audited: false,
        }
    }

    fn counts(let_out: u64, stopped: u64) -> DatagramCounts {
        DatagramCounts { let_out, stopped, would_have_been_stopped: 0 }
    }

    /// One look, in which each account has come to `counts`: whom there were events of, and what they said.
    fn look(
        told: &mut StoppedDatagrams,
        second: u64,
        stops: &[StoppedDatagram],
        counts: DatagramCounts,
    ) -> Vec<(u64, DatagramCounts)> {
        let now = Duration::from_secs(second);
        let due = told.due(now, stops);
        due.iter().filter_map(|stop| Some((stop.account.id, told.tell(now, stop, counts)?))).collect()
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_of_a_minute_in_the_next() {
        let mut told = StoppedDatagrams::default();
        assert_eq!(look(&mut told, 1, &[stop(1, 900)], counts(1, 3)), [(1, counts(1, 3))]);
        assert_eq!(look(&mut told, 60, &[stop(1, 2_000)], counts(2, 9)), []);
        assert_eq!(look(&mut told, 61, &[stop(1, 2_000)], counts(2, 10)), [(1, counts(1, 7))]);
        assert_eq!(look(&mut told, 200, &[stop(1, 2_000)], counts(2, 10)), [], "nothing has happened");
        assert_eq!(look(&mut told, 201, &[stop(1, 2_001)], counts(3, 10)), [], "it was in the last event");
        assert_eq!(look(&mut told, 202, &[], counts(3, 10)), [], "switched off");
        assert_eq!(look(&mut told, 203, &[stop(1, 2_001)], counts(3, 10)), [], "and on again");
        assert_eq!(
            look(&mut told, 300, &[stop(1, 250_000)], counts(1, 2)),
            [(1, counts(1, 2))],
            "counted anew"
        );
        told.pass_over(&stop(1, 400_000));
        assert_eq!(look(&mut told, 500, &[stop(1, 400_000)], counts(1, 5)), [], "no limit any more");
    }

    #[test]
    fn many_accounts_take_turns() {
        let mut told = StoppedDatagrams::default();
        let mut at = |second: u64, count| {
            let stops: Vec<_> = (0..25).map(|id| stop(id, second * 1_000)).collect();
            let told = look(&mut told, second, &stops, counts(0, count));
            told.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(at(1, 1), (0..10).collect::<Vec<_>>());
        assert!(at(30, 2).is_empty());
        assert_eq!(at(61, 3), (10..20).collect::<Vec<_>>());
        assert_eq!(at(121, 4), [20, 21, 22, 23, 24, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_was_counted_or_told_before_is_not_told_again() {
        let mut told = StoppedDatagrams::default();
        told.resume("a", Duration::from_secs(30));
        told.known(stop(1, 0).account, "a", Duration::from_secs(20), counts(1, 5));
        assert_eq!(look(&mut told, 90, &[stop(1, 20_000)], counts(1, 5)), []);
        assert_eq!(look(&mut told, 89, &[stop(1, 40_000)], counts(1, 6)), []);
        assert_eq!(look(&mut told, 90, &[stop(1, 40_000)], counts(1, 6)), [(1, counts(0, 1))]);
    }
}
