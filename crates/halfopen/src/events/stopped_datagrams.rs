//! First contacts over UDP that were stopped: at most one event a minute for each account, and ten a minute for all
//! together, so that many accounts cannot flood the log. An account's next event counts the others. Pure: the caller
//! passes the time, on the kernel's monotonic clock.

use super::Tally;
use crate::rate_limit::{MINUTE, RateLimit};
use halfopen_bpf::{AccountId, StoppedDatagram};
use halfopen_policy::{DatagramCounts, Excess};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const PER_MINUTE: usize = 10;

/// The contents of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedReport {
    /// The account's name.
    pub account: String,
    /// What became of its first contacts since its last event.
    pub counts: DatagramCounts,
    /// What happens to stopped first contacts.
    pub excess: Excess,
    /// The program that sent the last one, if known.
    pub program: Option<Tally>,
    /// The cgroup in which its socket was made.
    pub cgroup: Option<String>,
    /// The destination of the last one.
    pub destination: SocketAddr,
}

#[derive(Debug, Default)]
struct Told {
    /// The time of its last event, so that accounts take turns.
    announced: Option<Duration>,
    /// The time of the last one in `counts`.
    last: Duration,
    counts: DatagramCounts,
}

/// The state of all accounts.
#[derive(Debug)]
pub struct StoppedDatagrams {
    accounts: BTreeMap<AccountId, Told>,
    /// The events of an earlier daemon, by account name.
    earlier: BTreeMap<String, Duration>,
    limit: RateLimit<AccountId>,
}

impl Default for StoppedDatagrams {
    fn default() -> Self {
        let limit = RateLimit::every(MINUTE).and_in_all(PER_MINUTE);
        Self { accounts: BTreeMap::new(), earlier: BTreeMap::new(), limit }
    }
}

impl StoppedDatagrams {
    /// Notes an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, account: &str, at: Duration) {
        self.earlier.insert(account.to_owned(), at);
    }

    /// Notes what an account of this name counted, and when it stopped the last one, before the daemon started.
    pub fn known(&mut self, account: AccountId, name: &str, last: Duration, counts: DatagramCounts) {
        let announced = self.earlier.remove(name);
        if let Some(at) = announced {
            self.limit.passed(at, account);
        }
        self.accounts.insert(account, Told { announced, last, counts });
    }

    /// The accounts whose event is due, each with its last stopped first contact. Accounts whose last event is oldest
    /// come first. Forgets accounts that are gone.
    pub fn due(&mut self, now: Duration, stops: &[StoppedDatagram]) -> Vec<StoppedDatagram> {
        // Without limits nothing is read, and accounts may come back unchanged.
        if stops.is_empty() {
            return Vec::new();
        }
        self.accounts.retain(|account, _| stops.binary_search_by_key(account, |stop| stop.account).is_ok());
        let announced =
            |stop: &StoppedDatagram| self.accounts.get(&stop.account).and_then(|told| told.announced);
        let is_new = |stop: &&StoppedDatagram| {
            self.accounts.get(&stop.account).is_none_or(|told| stop.at > told.last)
                && self.limit.allows(now, &stop.account)
        };
        let mut due: Vec<_> = stops.iter().filter(is_new).cloned().collect();
        due.sort_by_key(announced);
        due.truncate(self.limit.left(now));
        due
    }

    /// Notes an event for `stop`, whose account has reached `counts`. Returns the counts since the account's last
    /// event; `None` if that event has already reported them.
    pub fn tell(
        &mut self,
        now: Duration,
        stop: &StoppedDatagram,
        counts: DatagramCounts,
    ) -> Option<DatagramCounts> {
        let told = self.accounts.entry(stop.account).or_default();
        let before = told.counts;
        // An account that was gone for a while counts from zero again.
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
        self.limit.passed(now, stop.account);
        Some(since)
    }

    /// Skips `stop`, because its account no longer has a limit.
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
