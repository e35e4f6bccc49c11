//! What each scope and account did in the minute that goes on, from looks at their ledgers.

use super::waits::Waits;
use crate::history::MinuteRow;
use halfopen_bpf::{AccountId, ScopeId};
use halfopen_policy::Ledger;
use std::collections::HashMap;
use std::time::Duration;

/// All scopes and accounts.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Minutes {
    tracked: HashMap<AccountId, Tracked>,
    /// Whether an account that is seen for the first time is new: not at the first look.
    is_followed: bool,
}

#[derive(Debug, Default)]
struct Tracked {
    /// At the end of the last minute.
    before: Sums,
    /// At the last look.
    last: Sums,
    half_open: u64,
    queued: u64,
    peak_half_open: u64,
    peak_queued: u64,
    peak_demand: u64,
    open: u64,
    peak_open: u64,
    peak_open_demand: u64,
    peak_begun: u64,
    waits: Waits,
    would_wait: Waits,
    /// Whether it was there at the last look.
    is_there: bool,
}

/// Counts that only grow while an account lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sums {
    begun: u64,
    released: u64,
    established: u64,
    failed: u64,
    cancelled: u64,
    gave_up: u64,
    refused: u64,
    would_have_waited: u64,
    held_by_connections: u64,
    held_by_destination: u64,
}

impl Sums {
    fn of(ledger: &Ledger) -> Self {
        let waited = ledger.released + ledger.cancelled + ledger.gave_up_while_queued + ledger.queued;
        Self {
            begun: ledger.admitted + waited,
            released: ledger.released,
            established: ledger.established,
            failed: ledger.failed,
            cancelled: ledger.cancelled,
            gave_up: ledger.gave_up_while_queued,
            refused: ledger.refused_overflow + ledger.blocked,
            would_have_waited: ledger.would_have_waited,
            held_by_connections: ledger.connections.waited_to_open,
            held_by_destination: ledger.connections.waited_to_reach,
        }
    }

    /// Whether these are of an account that was forgotten after `earlier` and made anew.
    fn begin_anew(self, earlier: Self) -> bool {
        self.begun < earlier.begun || self.established < earlier.established || self.failed < earlier.failed
    }
}

/// Connections that count as open.
fn open(ledger: &Ledger) -> u64 {
    ledger.connections.open + ledger.connections.ended
}

impl Minutes {
    /// Whether the host's ledger is as it was at the last look, so that nothing else has changed either. The end of a
    /// connection changes only what counts it.
    pub fn is_as_before(&self, host: &Ledger) -> bool {
        self.tracked.get(&AccountId::of_scope(ScopeId::HOST)).is_some_and(|tracked| {
            let seen = (tracked.last, tracked.half_open, tracked.queued, tracked.open);
            let is_as_before = seen == (Sums::of(host), host.half_open, host.queued, open(host));
            is_as_before && self.tracked.values().all(|tracked| tracked.open == 0)
        })
    }

    /// Begins a look.
    pub fn begin_look(&mut self) {
        self.tracked.values_mut().for_each(|tracked| tracked.is_there = false);
    }

    /// Notes the ledger of an account at a look.
    pub fn look(&mut self, account: AccountId, ledger: &Ledger) {
        let now = Sums::of(ledger);
        let before = if self.is_followed { Sums::default() } else { now };
        let new = || Tracked { before, last: before, ..Tracked::default() };
        let tracked = self.tracked.entry(account).or_insert_with(new);
        if now.begin_anew(tracked.last) {
            *tracked = Tracked::default();
        }
        let begun = now.begun.saturating_sub(tracked.last.begun);
        tracked.peak_demand = tracked.peak_demand.max(tracked.half_open + tracked.queued + begun);
        let open = open(ledger);
        tracked.peak_open_demand = tracked.peak_open_demand.max(tracked.open + tracked.queued + begun);
        tracked.peak_open = tracked.peak_open.max(open);
        tracked.peak_begun = tracked.peak_begun.max(begun);
        tracked.open = open;
        tracked.peak_half_open = tracked.peak_half_open.max(ledger.half_open);
        tracked.peak_queued = tracked.peak_queued.max(ledger.queued);
        (tracked.half_open, tracked.queued, tracked.last) = (ledger.half_open, ledger.queued, now);
        tracked.is_there = true;
    }

    /// Ends a look: what was not looked at is gone.
    pub fn end_look(&mut self) {
        self.is_followed = true;
        let host = AccountId::of_scope(ScopeId::HOST);
        // Its last row is still to come.
        self.tracked.retain(|account, tracked| tracked.is_there || *account == host || tracked.is_active());
    }

    /// Notes how long an attempt waited. It counts for the host too.
    pub fn waited(&mut self, account: AccountId, wait: Duration) {
        self.note(account, |tracked| tracked.waits.note(wait));
    }

    /// Notes how long an attempt would have waited that audit mode let out at once.
    pub fn would_have_waited(&mut self, account: AccountId, wait: Duration) {
        self.note(account, |tracked| tracked.would_wait.note(wait));
    }

    fn note(&mut self, account: AccountId, note: impl Fn(&mut Tracked)) {
        let host = AccountId::of_scope(ScopeId::HOST);
        for account in [account].into_iter().chain((account != host).then_some(host)) {
            if let Some(tracked) = self.tracked.get_mut(&account) {
                note(tracked);
            }
        }
    }

    /// Whether an account has been looked at lately.
    pub fn knows(&self, account: AccountId) -> bool {
        self.tracked.contains_key(&account)
    }

    /// Ends `minute`: the rows of those that did anything in it, the busiest first, still without their names. The host
    /// has a row in any case.
    pub fn end(&mut self, minute: u64) -> Vec<(AccountId, MinuteRow)> {
        let host = AccountId::of_scope(ScopeId::HOST);
        let active =
            self.tracked.iter().filter(|(account, tracked)| **account == host || tracked.is_active());
        let mut rows: Vec<_> = active.map(|(account, tracked)| (*account, tracked.row(minute))).collect();
        rows.sort_by_key(|(account, row)| {
            std::cmp::Reverse((*account == host, row.peak_queued, row.refused, row.begun))
        });
        self.tracked.retain(|_, tracked| tracked.is_there);
        self.tracked.values_mut().for_each(Tracked::begin_minute);
        rows
    }
}

impl Tracked {
    fn is_active(&self) -> bool {
        self.last != self.before
            || self.peak_half_open > 0
            || self.peak_queued > 0
            || self.peak_open > 0
            || self.would_wait.any()
    }

    fn begin_minute(&mut self) {
        self.before = self.last;
        (self.peak_half_open, self.peak_queued) = (self.half_open, self.queued);
        self.peak_demand = self.half_open + self.queued;
        (self.peak_open, self.peak_begun) = (self.open, 0);
        self.peak_open_demand = self.open + self.queued;
        self.waits = Waits::default();
        self.would_wait = Waits::default();
    }

    fn row(&self, minute: u64) -> MinuteRow {
        let grown = |of: fn(&Sums) -> u64| of(&self.last).saturating_sub(of(&self.before));
        MinuteRow {
            minute,
            account: String::new(),
            scope: String::new(),
            limit: None,
            peak_half_open: self.peak_half_open,
            peak_queued: self.peak_queued,
            peak_demand: self.peak_demand,
            begun: grown(|sums| sums.begun),
            released: grown(|sums| sums.released),
            established: grown(|sums| sums.established),
            failed: grown(|sums| sums.failed),
            cancelled: grown(|sums| sums.cancelled),
            gave_up: grown(|sums| sums.gave_up),
            refused: grown(|sums| sums.refused),
            would_have_waited: grown(|sums| sums.would_have_waited),
            wait_p50_ms: self.waits.percentile(50),
            wait_p90_ms: self.waits.percentile(90),
            wait_p99_ms: self.waits.percentile(99),
            would_wait_p50_ms: self.would_wait.percentile(50),
            would_wait_p90_ms: self.would_wait.percentile(90),
            would_wait_p99_ms: self.would_wait.percentile(99),
            established_limit: None,
            connect_limit_per_min: None,
            peak_open: self.peak_open,
            peak_open_demand: self.peak_open_demand,
            peak_begun: self.peak_begun,
            held_by_connections: grown(|sums| sums.held_by_connections),
            held_by_destination: grown(|sums| sums.held_by_destination),
            suspect: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> AccountId {
        AccountId { scope: ScopeId::numbered(64), id: number }
    }

    fn ledger(half_open: u64, queued: u64, admitted: u64, established: u64) -> Ledger {
        Ledger { half_open, queued, admitted, established, ..Ledger::default() }
    }

    /// Host first, then account 1, as they are at a look.
    fn look(minutes: &mut Minutes, host: &Ledger, one: Option<&Ledger>) {
        minutes.begin_look();
        minutes.look(AccountId::of_scope(ScopeId::HOST), host);
        if let Some(one) = one {
            minutes.look(id(1), one);
        }
        minutes.end_look();
    }

    #[test]
    fn a_row_has_what_happened_in_its_minute_and_no_more() {
        let mut minutes = Minutes::default();
        look(&mut minutes, &ledger(0, 0, 1_000, 900), None);
        assert_eq!(minutes.end(1).len(), 1, "the host has a row in any case");
        look(&mut minutes, &ledger(5, 0, 1_005, 900), Some(&ledger(5, 0, 5, 0)));
        look(&mut minutes, &ledger(2, 3, 1_009, 907), Some(&ledger(2, 3, 9, 7)));
        let rows = minutes.end(2);
        let [host, one] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((host.0, host.1.begun, host.1.established), (AccountId::of_scope(ScopeId::HOST), 12, 7));
        assert_eq!((one.0, one.1.begun, one.1.established), (id(1), 12, 7));
        assert_eq!((one.1.peak_half_open, one.1.peak_queued), (5, 3));
        // Five were half-open, and seven more began before the next look.
        assert_eq!(one.1.peak_demand, 12);
        look(&mut minutes, &ledger(0, 0, 1_012, 910), Some(&ledger(0, 0, 12, 10)));
        let rows = minutes.end(3);
        // The three that waited were let out at once here: begun counts an attempt once.
        assert_eq!(rows[1].1.begun, 0);
        assert_eq!(rows[1].1.established, 3);
        look(&mut minutes, &ledger(0, 0, 1_012, 910), Some(&ledger(0, 0, 12, 10)));
        assert_eq!(minutes.end(4).len(), 1, "nothing happened");
    }

    #[test]
    fn one_that_is_gone_has_its_last_row_and_one_made_anew_counts_from_zero() {
        let mut minutes = Minutes::default();
        look(&mut minutes, &ledger(0, 0, 0, 0), Some(&ledger(0, 0, 50, 50)));
        minutes.end(1);
        look(&mut minutes, &ledger(0, 0, 3, 3), Some(&ledger(0, 0, 53, 53)));
        look(&mut minutes, &ledger(0, 0, 3, 3), None);
        assert_eq!(minutes.end(2)[1].1.established, 3);
        assert!(!minutes.knows(id(1)));
        look(&mut minutes, &ledger(0, 0, 5, 5), Some(&ledger(0, 0, 2, 2)));
        assert_eq!(minutes.end(3)[1].1.established, 2);
        // Made anew between two looks.
        look(&mut minutes, &ledger(0, 0, 6, 6), Some(&ledger(0, 0, 1, 1)));
        assert_eq!(minutes.end(4)[1].1.established, 1);
    }
}
