//! Accounts that have become suspects: one event a minute for a scope at most, the others counted in the next. Pure: the
//! caller tells the time, on the kernel's monotonic clock.

use super::episode::Tally;
use crate::config::limit::Action;
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// An account that has become a suspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its scope's name.
    pub scope: String,
    /// Its own.
    pub account: String,
    /// Whose attempt was seen last.
    pub program: Option<Tally>,
    /// First contacts let out so far.
    pub first_contacts: u64,
    /// What is done about it.
    pub on_suspect: Action,
    /// For how long its connects fail.
    pub block_for: Option<Duration>,
}

/// What an event has to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspectReport {
    /// The scope's name.
    pub scope: String,
    /// The account's: the latest of those that the event stands for.
    pub account: String,
    /// Whose attempt was seen last.
    pub program: Option<Tally>,
    /// First contacts let out so far.
    pub first_contacts: u64,
    /// What is done about it.
    pub on_suspect: Action,
    /// For how long its connects fail from then on.
    pub block_for: Option<Duration>,
    /// Accounts that the event stands for.
    pub suspects: u64,
}

#[derive(Debug, Default)]
struct Scope {
    announced: Option<Duration>,
    since: u64,
    latest: Option<Suspect>,
}

/// Those of all scopes.
#[derive(Debug, Default)]
pub struct Suspects {
    scopes: BTreeMap<String, Scope>,
}

impl Suspects {
    /// Takes note of a suspect.
    pub fn note(&mut self, suspect: Suspect) {
        let scope = self.scopes.entry(suspect.scope.clone()).or_default();
        scope.since += 1;
        scope.latest = Some(suspect);
    }

    /// Takes note of an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, scope: &str, at: Duration) {
        self.scopes.entry(scope.to_owned()).or_default().announced = Some(at);
    }

    /// The events that are due. Scopes of which there is nothing to tell are forgotten.
    pub fn due(&mut self, now: Duration) -> Vec<SuspectReport> {
        let may = |scope: &Scope| scope.announced.is_none_or(|at| at + MINUTE <= now);
        let mut reports = Vec::new();
        for scope in self.scopes.values_mut().filter(|scope| may(scope)) {
            let Some(latest) = scope.latest.take() else { continue };
            scope.announced = Some(now);
            let Suspect { scope: name, account, program, first_contacts, on_suspect, block_for } = latest;
            let suspects = std::mem::take(&mut scope.since);
            let report = SuspectReport {
                scope: name,
                account,
                program,
                first_contacts,
                on_suspect,
                block_for,
                suspects,
            };
            reports.push(report);
        }
        self.scopes.retain(|_, scope| scope.latest.is_some() || !may(scope));
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(scope: &str, number: u32) -> Suspect {
        Suspect {
            scope: scope.to_owned(),
            account: format!("{scope}[cgroup {number}]"),
            program: None,
            first_contacts: 20,
            on_suspect: Action::Notify,
            block_for: None,
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_of_a_minute_in_the_next() {
        let mut suspects = Suspects::default();
        let due = |suspects: &mut Suspects, second| {
            let reports = suspects.due(Duration::from_secs(second));
            reports.into_iter().map(|report| (report.account, report.suspects)).collect::<Vec<_>>()
        };
        suspects.note(suspect("a", 1));
        suspects.note(suspect("b", 1));
        assert_eq!(due(&mut suspects, 1), [("a[cgroup 1]".into(), 1), ("b[cgroup 1]".into(), 1)]);
        for number in 2..100 {
            suspects.note(suspect("a", number));
        }
        assert_eq!(due(&mut suspects, 2), []);
        assert_eq!(due(&mut suspects, 60), []);
        assert_eq!(due(&mut suspects, 61), [("a[cgroup 99]".into(), 98)]);
        assert_eq!(due(&mut suspects, 200), []);
        assert!(suspects.scopes.is_empty(), "memory is bounded by the scopes of the last minute");
    }

    #[test]
    fn what_an_earlier_daemon_told_counts() {
        let mut suspects = Suspects::default();
        suspects.resume("a", Duration::from_secs(30));
        suspects.note(suspect("a", 1));
        assert_eq!(suspects.due(Duration::from_secs(89)), []);
        assert_eq!(suspects.due(Duration::from_secs(90)).len(), 1);
    }
}
