//! The attempts that limits on connections hold back: at most one event a minute for each account, and ten a minute for
//! all together. An account's next event counts the attempts in between. Pure: the caller passes the time, on the
//! kernel's monotonic clock.

use super::Identity;
use super::episode::ANNOUNCED_AFTER;
use super::tallies::Tally;
use crate::rate_limit::{MINUTE, RateLimit};
use halfopen_bpf::{AccountId, HeldAttempt, Program, WaitsFor};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const PER_MINUTE: usize = 10;
/// How many accounts may wait for an event. The next ones are noted once there is room.
const ACCOUNTS: usize = 512;
/// How many programs, and how many destinations, are counted for each.
const PROGRAMS: usize = 16;
const DESTINATIONS: usize = 256;
/// How many accounts are named in one go: each takes a question to the privileged helper.
const AT_ONCE: usize = 32;

/// An account whose event is due, with what it was held back for since its last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueConnections {
    /// The scope or account that holds back.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Attempts that began to wait.
    pub waited: u64,
    /// The limit that most of them waited for.
    pub waits_for: WaitsFor,
    /// The programs that made them, those with the most first.
    pub programs: Vec<Tally>,
    /// Their destinations, each with how many waited, those with the most first.
    pub destinations: Vec<(SocketAddr, u64)>,
    /// Whether they were only counted.
    pub audited: bool,
}

#[derive(Debug)]
struct Held {
    /// When the first of them began to wait.
    began: Duration,
    name: Option<String>,
    to_open: u64,
    to_reach: u64,
    programs: HashMap<Program, Tally>,
    destinations: HashMap<SocketAddr, u64>,
    audited: bool,
    /// Whether some of them may still be waiting.
    may_wait: bool,
    /// Whether one has waited for `event_after`.
    waited_long: bool,
}

/// The state of all accounts.
#[derive(Debug)]
pub struct HeldConnections {
    accounts: HashMap<AccountId, Held>,
    /// By the account's name.
    limit: RateLimit<String>,
    event_after: Duration,
}

impl Default for HeldConnections {
    fn default() -> Self {
        let limit = RateLimit::every(MINUTE).and_in_all(PER_MINUTE);
        Self { accounts: HashMap::new(), limit, event_after: Duration::ZERO }
    }
}

/// The scope or account that holds `attempt` back.
fn held_by(attempt: &HeldAttempt) -> AccountId {
    attempt.own.filter(|own| own.scope == attempt.scope).unwrap_or(AccountId::of_scope(attempt.scope))
}

impl HeldConnections {
    /// Notes an attempt that waits for a limit on connections. Calls `identify` once for each program.
    pub fn note(&mut self, attempt: &HeldAttempt, identify: impl FnOnce(&Program) -> Option<Identity>) {
        let account = held_by(attempt);
        if !self.accounts.contains_key(&account) && self.accounts.len() >= ACCOUNTS && !self.make_room() {
            return;
        }
        let held = self.accounts.entry(account).or_insert_with(|| Held {
            began: attempt.at,
            name: None,
            to_open: 0,
            to_reach: 0,
            programs: HashMap::new(),
            destinations: HashMap::new(),
            audited: attempt.audited,
            may_wait: true,
            waited_long: false,
        });
        held.note(attempt, identify);
    }

    /// Drops an account whose attempts have waited only briefly. Returns whether there was one.
    fn make_room(&mut self) -> bool {
        let brief = self.accounts.iter().find(|(_, held)| !held.may_wait && !held.waited_long);
        let brief = brief.map(|(account, _)| *account);
        brief.is_some_and(|account| self.accounts.remove(&account).is_some())
    }

    /// Notes an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, account: &str, at: Duration) {
        self.limit.passed(at, account.to_owned());
    }

    /// Sets the wait from which on there is an event.
    pub fn set_event_after(&mut self, event_after: Duration) {
        self.event_after = event_after;
    }

    /// Whether an attempt may have waited for `event_after` by now. The caller must then look up whose attempts wait and
    /// call [`HeldConnections::oldest_waits`].
    #[must_use]
    pub fn asks_who_waits(&self, now: Duration) -> bool {
        self.accounts.values().any(|held| {
            held.may_wait && !held.audited && !held.waited_long && held.began + self.event_after <= now
        })
    }

    /// Notes when the oldest waiter of each account began to wait.
    pub fn oldest_waits(&mut self, now: Duration, oldest: &HashMap<AccountId, Duration>) {
        for (account, held) in &mut self.accounts {
            let oldest = oldest.get(account);
            held.may_wait = oldest.is_some();
            held.waited_long |= oldest.is_some_and(|since| *since + self.event_after <= now);
        }
    }

    /// The accounts without names that are to be named next.
    #[must_use]
    pub fn unnamed(&self) -> Vec<AccountId> {
        let unnamed = self.accounts.iter().filter(|(_, held)| held.name.is_none());
        unnamed.take(AT_ONCE).map(|(account, _)| *account).collect()
    }

    /// Notes the names of accounts, which may be gone when their event is due. Those for which `find` has none are gone.
    pub fn name(&mut self, unnamed: &[AccountId], find: impl Fn(AccountId) -> Option<String>) {
        for account in unnamed {
            match (find(*account), self.accounts.get_mut(account)) {
                (Some(name), Some(held)) => held.name = Some(name),
                _ => drop(self.accounts.remove(account)),
            }
        }
    }

    /// The accounts whose event is due, those that have waited longest for it first. They count from zero again.
    pub fn due(&mut self, now: Duration) -> Vec<DueConnections> {
        let is_due = |held: &Held| {
            let at_once = held.audited || self.event_after.is_zero();
            held.waited_long || (at_once && held.began + ANNOUNCED_AFTER <= now)
        };
        let mut due: Vec<(Duration, AccountId, String)> = self
            .accounts
            .iter()
            .filter(|(_, held)| is_due(held))
            .filter_map(|(account, held)| Some((held.began, *account, held.name.clone()?)))
            .collect();
        due.sort();
        let mut told = Vec::new();
        for (_, account, name) in due {
            if !self.limit.allows(now, &name) {
                continue;
            }
            self.limit.passed(now, name.clone());
            told.extend(self.accounts.remove(&account).map(|held| held.due(account, name)));
        }
        told
    }
}

impl Held {
    fn note(&mut self, attempt: &HeldAttempt, identify: impl FnOnce(&Program) -> Option<Identity>) {
        match attempt.waits_for {
            WaitsFor::Destination => self.to_reach += 1,
            WaitsFor::Connection | WaitsFor::Slot => self.to_open += 1,
        }
        (self.audited, self.may_wait) = (attempt.audited, true);
        if self.destinations.len() < DESTINATIONS || self.destinations.contains_key(&attempt.destination) {
            *self.destinations.entry(attempt.destination).or_default() += 1;
        }
        if self.programs.len() >= PROGRAMS && !self.programs.contains_key(&attempt.program) {
            return;
        }
        let tally = self.programs.entry(attempt.program.clone()).or_insert_with(|| Tally {
            program: attempt.program.clone(),
            identity: identify(&attempt.program),
            own: attempt.own,
            account: None,
            attempts: 0,
            waiting: None,
            refused: 0,
            contact: attempt.contact,
            sample: Vec::new(),
        });
        tally.attempts += 1;
        tally.note_destination(attempt.destination);
    }

    fn due(self, account: AccountId, name: String) -> DueConnections {
        let mut programs: Vec<Tally> = self.programs.into_values().collect();
        programs.sort_by_key(|tally| (Reverse(tally.attempts), tally.program.pid));
        let mut destinations: Vec<(SocketAddr, u64)> = self.destinations.into_iter().collect();
        destinations.sort_by_key(|(destination, waited)| (Reverse(*waited), *destination));
        let most_to_reach = self.to_reach > self.to_open;
        DueConnections {
            account,
            name,
            waited: self.to_open + self.to_reach,
            waits_for: if most_to_reach { WaitsFor::Destination } else { WaitsFor::Connection },
            programs,
            destinations,
            audited: self.audited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::{Place, ScopeId};
    use halfopen_policy::{Contact, Party};

    const AFTER: Duration = Duration::from_secs(1);

    fn secs(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn account(id: u64) -> AccountId {
        AccountId { scope: ScopeId::numbered(64), id }
    }

    fn attempt(second: u64, id: u64, to: u8, pid: u32) -> HeldAttempt {
        let local = ([0, 0, 0, 0], 0).into();
        HeldAttempt {
            at: secs(second),
            scope: account(id).scope,
            own: Some(account(id)),
            interface: None,
            party: Party::default(),
            contact: Contact::Known,
            place: Place { cookie: 0, netns: 0, device: 0, local },
            program: Program { pid, uid: 0, comm: String::new(), cgroup_id: 0 },
            destination: ([198, 18, 0, to], 80).into(),
            audited: false,
            waits_for: WaitsFor::Connection,
        }
    }

    fn new() -> HeldConnections {
        let mut held = HeldConnections::default();
        held.set_event_after(AFTER);
        held
    }

    fn note(held: &mut HeldConnections, attempt: &HeldAttempt) {
        held.note(attempt, |_| None);
    }

    /// A look in which the oldest attempts of these accounts wait since those seconds. Returns the account and the count
    /// of each event.
    fn look(held: &mut HeldConnections, second: u64, waiting: &[(u64, u64)]) -> Vec<(u64, u64)> {
        if held.asks_who_waits(secs(second)) {
            let oldest = waiting.iter().map(|(id, since)| (account(*id), secs(*since))).collect();
            held.oldest_waits(secs(second), &oldest);
        }
        let unnamed = held.unnamed();
        held.name(&unnamed, |account| Some(account.id.to_string()));
        held.due(secs(second)).iter().map(|due| (due.account.id, due.waited)).collect()
    }

    #[test]
    fn one_event_a_minute_counts_all_since_the_last_once_one_has_waited_long() {
        let mut held = new();
        (0..3).for_each(|_| note(&mut held, &attempt(1, 7, 1, 1)));
        assert_eq!(look(&mut held, 1, &[(7, 1)]), [], "it has not waited for long");
        assert_eq!(look(&mut held, 2, &[(7, 1)]), [(7, 3)]);
        (0..4).for_each(|_| note(&mut held, &attempt(3, 7, 1, 1)));
        assert_eq!(look(&mut held, 61, &[(7, 3)]), []);
        assert_eq!(look(&mut held, 62, &[(7, 3)]), [(7, 4)]);
        assert_eq!(look(&mut held, 200, &[]), [], "nothing has happened");
    }

    #[test]
    fn short_waits_are_no_event_but_count_in_the_next() {
        let mut held = new();
        note(&mut held, &attempt(1, 7, 1, 1));
        assert_eq!(look(&mut held, 2, &[]), []);
        assert!(!held.asks_who_waits(secs(60)), "nobody waits");
        note(&mut held, &attempt(60, 7, 1, 1));
        assert_eq!(look(&mut held, 61, &[(7, 60)]), [(7, 2)]);
    }

    #[test]
    fn in_audit_mode_and_without_event_after_a_second_is_enough() {
        for audited in [true, false] {
            let mut held = new();
            if !audited {
                held.set_event_after(Duration::ZERO);
            }
            note(&mut held, &HeldAttempt { audited, ..attempt(1, 7, 1, 1) });
            assert_eq!(look(&mut held, 1, &[]), []);
            let unnamed = held.unnamed();
            held.name(&unnamed, |_| Some("a".to_owned()));
            let due = held.due(secs(2));
            assert_eq!((due.len(), due[0].audited), (1, audited));
        }
    }

    #[test]
    fn programs_destinations_and_the_kind_of_limit_are_those_of_most() {
        let mut held = new();
        for (to, pid) in [(1, 1), (2, 2), (2, 2), (3, 2)] {
            note(&mut held, &HeldAttempt { waits_for: WaitsFor::Destination, ..attempt(1, 7, to, pid) });
        }
        note(&mut held, &attempt(1, 7, 2, 2));
        held.oldest_waits(secs(2), &HashMap::from([(account(7), secs(1))]));
        held.name(&[account(7)], |_| Some("a".to_owned()));
        let due = held.due(secs(2)).remove(0);
        let programs: Vec<_> = due.programs.iter().map(|tally| (tally.program.pid, tally.attempts)).collect();
        let destinations: Vec<_> =
            due.destinations.iter().map(|(to, waited)| (to.to_string(), *waited)).collect();
        let to = |last: u8, waited| (format!("198.18.0.{last}:80"), waited);
        assert_eq!((programs, destinations), (vec![(2, 4), (1, 1)], vec![to(2, 3), to(1, 1), to(3, 1)]));
        assert_eq!((due.waited, due.waits_for), (5, WaitsFor::Destination));
    }

    #[test]
    fn ten_in_all_a_minute_and_the_longest_without_one_come_first() {
        let mut held = new();
        let waiting: Vec<(u64, u64)> = (0..15).map(|id| (id, 20 - id)).collect();
        for (id, since) in &waiting {
            note(&mut held, &attempt(*since, *id, 1, 1));
        }
        let ids = |told: Vec<(u64, u64)>| told.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(look(&mut held, 30, &waiting)), (5..15).rev().collect::<Vec<_>>());
        assert!(look(&mut held, 89, &waiting).is_empty());
        assert_eq!(ids(look(&mut held, 90, &waiting)), (0..5).rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_an_earlier_daemon_told_counts_and_who_is_gone_has_no_event() {
        let mut held = new();
        held.resume("7", secs(10));
        note(&mut held, &attempt(20, 7, 1, 1));
        assert_eq!(
            (look(&mut held, 69, &[(7, 20)]), look(&mut held, 70, &[(7, 20)])),
            (vec![], vec![(7, 1)])
        );
        note(&mut held, &attempt(71, 8, 1, 1));
        held.name(&[account(8)], |_| None);
        assert_eq!(look(&mut held, 200, &[(8, 71)]), []);
    }

    #[test]
    fn nothing_grows_without_bound_and_brief_waits_make_room() {
        let mut held = new();
        for id in 1..=ACCOUNTS as u64 + 9 {
            note(&mut held, &attempt(1, id, 1, 1));
        }
        assert_eq!((held.accounts.len(), held.accounts.contains_key(&account(600))), (ACCOUNTS, false));
        held.oldest_waits(secs(1), &HashMap::from([(account(1), secs(1))]));
        note(&mut held, &attempt(2, 600, 1, 1));
        assert!(held.accounts.contains_key(&account(600)) && held.accounts.contains_key(&account(1)));
        for number in 0..1_000 {
            let destination = ([198, 18, (number / 250) as u8, (number % 250) as u8], 80).into();
            note(&mut held, &HeldAttempt { destination, ..attempt(2, 1, 1, number) });
        }
        let of = &held.accounts[&account(1)];
        assert_eq!((of.programs.len(), of.destinations.len(), of.to_open), (PROGRAMS, DESTINATIONS, 1_001));
    }
}
