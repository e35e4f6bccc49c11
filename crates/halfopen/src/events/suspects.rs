//! Accounts that have become suspects: each is named by an event, or listed by name in the event of another. Pure: the
//! caller passes the time, on the kernel's monotonic clock.

use super::{Identity, NewAddresses, Tally};
use crate::config::Action;
use crate::rate_limit::{MINUTE, RateLimit};
use halfopen_bpf::{AccountId, HeldAttempt};
use std::collections::VecDeque;
use std::time::Duration;

/// In a minute, an account has at most one event, and all accounts together have this many.
pub(super) const PER_MINUTE: usize = 10;
/// How many suspects may wait for an event. Further ones are only counted.
const WAITING: usize = 4_096;
/// How many bytes of names an event lists. The rest waits for the next one: syslog daemons cut lines at 8 KiB.
const LISTED_BYTES: usize = 4_096;
/// How many suspects are named in one go: each takes two questions to the privileged helper.
const AT_ONCE: usize = 32;

/// A suspect that no event has named yet.
#[derive(Debug)]
struct Suspect {
    account: AccountId,
    attempt: HeldAttempt,
    /// `None` = they were not looked up yet.
    names: Option<Named>,
}

/// The names of a suspect, looked up at once: its process and its cgroup may be gone when its event is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The account's name.
    pub account: String,
    /// The program that made the attempt.
    pub program: Identity,
}

/// A suspect whose event is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSuspect {
    /// The account.
    pub account: AccountId,
    /// The attempt whose silence made it a suspect.
    pub attempt: HeldAttempt,
    /// Their names.
    pub names: Named,
    /// The names of others that the event lists.
    pub others: Vec<String>,
    /// The number of accounts that the event stands for.
    pub suspects: u64,
}

/// The contents of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspectReport {
    /// The account's name.
    pub account: String,
    /// The program that made the attempt.
    pub program: Tally,
    /// What its last new addresses came to.
    pub new_addresses: Option<NewAddresses>,
    /// Whether nothing happens to it, because the mode is not `enforce`.
    pub audited: bool,
    /// First contacts let out so far.
    pub first_contacts: u64,
    /// What happens to the suspect.
    pub on_suspect: Action,
    /// How long its connects fail from then on.
    pub block_for: Option<Duration>,
    /// The names of other suspects that the event lists.
    pub others: Vec<String>,
    /// The number of accounts that the event stands for.
    pub suspects: u64,
}

/// The suspects of all scopes.
#[derive(Debug)]
pub struct Suspects {
    /// Those without an event, the oldest first.
    waiting: VecDeque<Suspect>,
    /// How many were too many to wait.
    forgotten: u64,
    /// By the account's name.
    limit: RateLimit<String>,
}

impl Default for Suspects {
    fn default() -> Self {
        let limit = RateLimit::every(MINUTE).and_in_all(PER_MINUTE);
        Self { waiting: VecDeque::new(), forgotten: 0, limit }
    }
}

impl Suspects {
    /// Notes a suspect.
    pub fn note(&mut self, account: AccountId, attempt: HeldAttempt) {
        if self.waiting.iter().any(|waiting| waiting.account == account) {
            return;
        }
        if self.waiting.len() < WAITING {
            self.waiting.push_back(Suspect { account, attempt, names: None });
        } else {
            self.forgotten += 1;
        }
    }

    /// Notes an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, account: &str, at: Duration) {
        self.limit.passed(at, account.to_owned());
    }

    /// The suspects without names that are to be named next.
    #[must_use]
    pub fn unnamed(&self) -> Vec<AccountId> {
        let unnamed = self.waiting.iter().filter(|suspect| suspect.names.is_none());
        unnamed.take(AT_ONCE).map(|suspect| suspect.account).collect()
    }

    /// Looks up the names of these suspects. An account for which `find` returns none is gone.
    pub fn name(
        &mut self,
        unnamed: &[AccountId],
        mut find: impl FnMut(AccountId, &HeldAttempt) -> Option<Named>,
    ) {
        self.waiting.retain_mut(|suspect| {
            if suspect.names.is_none() && unnamed.contains(&suspect.account) {
                suspect.names = find(suspect.account, &suspect.attempt);
                return suspect.names.is_some();
            }
            true
        });
    }

    /// The suspects whose event is due.
    pub fn due(&mut self, now: Duration) -> Vec<DueSuspect> {
        let mut due: Vec<DueSuspect> = Vec::new();
        if self.limit.left(now) == 0 {
            return due;
        }
        let mut rest = VecDeque::new();
        for suspect in std::mem::take(&mut self.waiting) {
            match suspect.names {
                Some(ref names) if self.limit.take(now, names.account.clone()).is_some() => {
                    let Suspect { account, attempt, .. } = suspect;
                    let names = names.clone();
                    due.push(DueSuspect { account, attempt, names, others: Vec::new(), suspects: 1 });
                }
                _ => rest.push_back(suspect),
            }
        }
        if let Some(last) = due.last_mut() {
            let mut bytes = 0;
            rest.retain(|suspect| {
                let Some(names) = &suspect.names else { return true };
                let too_many = bytes + names.account.len() > LISTED_BYTES;
                if !too_many {
                    bytes += names.account.len();
                    last.others.push(names.account.clone());
                }
                too_many
            });
            last.suspects += last.others.len() as u64 + std::mem::take(&mut self.forgotten);
        }
        self.waiting = rest;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::{Place, Program, ScopeId, WaitsFor};
    use halfopen_policy::{Contact, CreditBucket, Party};
    use std::collections::HashMap;

    /// The suspects of one rule, and their names.
    #[derive(Default)]
    struct Rule {
        suspects: Suspects,
        names: HashMap<AccountId, String>,
    }

    impl Rule {
        fn note(&mut self, number: u64, name: &str) {
            let account = AccountId { scope: ScopeId::numbered(70), id: number };
            let local = ([0, 0, 0, 0], 0).into();
            let attempt = HeldAttempt {
                at: Duration::ZERO,
                scope: ScopeId::HOST,
                own: Some(account),
                interface: None,
                party: Party::default(),
                contact: Contact::First(CreditBucket::Strangers),
                place: Place { cookie: 0, netns: 0, device: 0, local },
                program: Program { pid: 1, uid: 0, comm: String::new(), cgroup_id: 0 },
                destination: local,
                audited: false,
                waits_for: WaitsFor::Slot,
            };
            self.suspects.note(account, attempt);
            self.names.insert(account, name.to_owned());
        }

        fn look(&mut self) {
            let unnamed = self.suspects.unnamed();
            let names = &self.names;
            self.suspects.name(&unnamed, |account, _| {
                let account = names.get(&account)?.clone();
                Some(Named { account, program: Identity::unknown(0) })
            });
        }

        /// For each event: the account's number, how many names it lists, and how many accounts it stands for.
        fn due(&mut self, second: u64) -> Vec<(u64, usize, u64)> {
            let now = Duration::from_secs(second);
            self.look();
            let due = self.suspects.due(now).into_iter();
            due.map(|due| (due.account.id, due.others.len(), due.suspects)).collect()
        }
    }

    #[test]
    fn each_of_a_rule_has_an_event_of_its_own() {
        let mut rule = Rule::default();
        for (second, number) in [(0, 1), (4, 2), (8, 3)] {
            rule.note(number, &number.to_string());
            assert_eq!(rule.due(second), [(number, 0, 1)]);
        }
        // It was released meanwhile, and is a suspect again.
        rule.note(2, "2");
        assert_eq!((rule.due(9), rule.due(63), rule.due(64)), (vec![], vec![], vec![(2, 0, 1)]));
    }

    #[test]
    fn those_over_ten_a_minute_are_listed_by_name() {
        let mut rule = Rule::default();
        (0..12).for_each(|number| rule.note(number, &number.to_string()));
        let due = rule.due(0);
        assert_eq!((due.len(), due[0], due[9]), (10, (0, 0, 1), (9, 2, 3)));
        (20..23).for_each(|number| rule.note(number, &number.to_string()));
        assert_eq!(rule.due(59), []);
        assert_eq!(rule.due(60), [(20, 0, 1), (21, 0, 1), (22, 0, 1)]);
    }

    #[test]
    fn long_names_wait_for_the_next_event_and_none_is_lost() {
        let mut rule = Rule::default();
        let long = |number: u64| format!("{number}{}", "x".repeat(LISTED_BYTES / 2 - 10));
        (0..15).for_each(|number| rule.note(number, &long(number)));
        assert_eq!(rule.due(0)[9], (9, 2, 3));
        assert_eq!(rule.due(60), [(12, 0, 1), (13, 0, 1), (14, 0, 1)]);
        assert_eq!(rule.due(200), []);
    }

    #[test]
    fn a_flood_is_counted_and_one_that_is_gone_is_not() {
        let mut rule = Rule::default();
        rule.note(0, "gone");
        rule.names.clear();
        (1..=WAITING as u64 + 4).for_each(|number| rule.note(number, &number.to_string()));
        let due = rule.due(0);
        // One is gone, and five were too many.
        assert_eq!((due.len(), due[0].0, due[9]), (10, 1, (10, AT_ONCE - 11, 1 + AT_ONCE as u64 - 11 + 5)));
        let mut listed = due.iter().map(|due| due.2).sum::<u64>();
        for minute in 1..20 {
            (0..60).for_each(|_| rule.look());
            listed += rule.due(60 * minute).iter().map(|due| due.2).sum::<u64>();
        }
        assert_eq!((listed, rule.suspects.waiting.len()), (WAITING as u64 + 4, 0));
    }

    #[test]
    fn one_that_has_to_wait_is_named_before_it_is_gone() {
        let mut rule = Rule::default();
        (0..10).for_each(|number| rule.note(number, &number.to_string()));
        assert_eq!(rule.due(0).len(), 10);
        rule.note(10, "its service ends soon");
        assert_eq!(rule.due(1), []);
        rule.names.clear();
        assert_eq!(rule.due(60), [(10, 0, 1)]);
    }

    #[test]
    fn what_an_earlier_daemon_told_counts() {
        let mut rule = Rule::default();
        rule.suspects.resume("1", Duration::from_secs(10));
        rule.note(1, "1");
        assert_eq!((rule.due(69), rule.due(70)), (vec![], vec![(1, 0, 1)]));
    }
}
