//! Accounts that have become suspects: at most one event a minute for each scope, and the next one counts the others.
//! Pure: the caller passes the time, on the kernel's monotonic clock.

use super::Tally;
use crate::config::Action;
use crate::rate_limit::RateLimit;
use halfopen_bpf::{AccountId, HeldAttempt};
use std::collections::BTreeMap;
use std::time::Duration;

/// A suspect whose event is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The account: the latest of those that the event stands for.
    pub account: AccountId,
    /// The attempt whose silence made it a suspect.
    pub attempt: HeldAttempt,
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
    /// First contacts let out so far.
    pub first_contacts: u64,
    /// What happens to the suspect.
    pub on_suspect: Action,
    /// How long its connects fail from then on.
    pub block_for: Option<Duration>,
    /// The number of accounts that the event stands for.
    pub suspects: u64,
}

/// The suspects of all scopes.
#[derive(Debug, Default)]
pub struct Suspects {
    /// The latest of each scope that has no event yet.
    latest: BTreeMap<String, Suspect>,
    limit: RateLimit<String>,
}

impl Suspects {
    /// Notes a suspect, an account of `scope`.
    pub fn note(&mut self, scope: String, account: AccountId, attempt: HeldAttempt) {
        let suspects = self.latest.get(&scope).map_or(0, |earlier| earlier.suspects) + 1;
        self.latest.insert(scope, Suspect { account, attempt, suspects });
    }

    /// Notes an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, scope: &str, at: Duration) {
        self.limit.passed(at, scope.to_owned());
    }

    /// The suspects whose event is due.
    pub fn due(&mut self, now: Duration) -> Vec<Suspect> {
        let limit = &mut self.limit;
        self.latest
            .extract_if(.., |scope, _| limit.take(now, scope.clone()).is_some())
            .map(|(_, latest)| latest)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::{Place, Program, ScopeId};
    use halfopen_policy::{Contact, CreditBucket, Party};

    fn note(suspects: &mut Suspects, scope: &str, number: u64) {
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
        };
        suspects.note(scope.to_owned(), account, attempt);
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_of_a_minute_in_the_next() {
        let mut suspects = Suspects::default();
        let due = |suspects: &mut Suspects, second| {
            let reports = suspects.due(Duration::from_secs(second));
            reports.into_iter().map(|report| (report.account.id, report.suspects)).collect::<Vec<_>>()
        };
        note(&mut suspects, "a", 1);
        note(&mut suspects, "b", 1);
        assert_eq!(due(&mut suspects, 1), [(1, 1), (1, 1)]);
        for number in 2..100 {
            note(&mut suspects, "a", number);
        }
        assert_eq!(due(&mut suspects, 2), []);
        assert_eq!(due(&mut suspects, 60), []);
        assert_eq!(due(&mut suspects, 61), [(99, 98)]);
        assert_eq!(due(&mut suspects, 200), []);
        assert!(suspects.latest.is_empty(), "what has been told is forgotten");
    }

    #[test]
    fn what_an_earlier_daemon_told_counts() {
        let mut suspects = Suspects::default();
        suspects.resume("a", Duration::from_secs(30));
        note(&mut suspects, "a", 1);
        assert_eq!(suspects.due(Duration::from_secs(89)), []);
        assert_eq!(suspects.due(Duration::from_secs(90)).len(), 1);
    }
}
