//! Rules of `[[deny]]` that have matched: at most one event a minute for each rule, and the next one counts the others.
//! Pure: the caller passes the time, on the kernel's monotonic clock.

use super::{Protocol, Tally};
use crate::rate_limit::RateLimit;
use halfopen_bpf::{Denied, DenyCount};
use std::collections::BTreeMap;
use std::time::Duration;

/// A rule whose event is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The rule's name.
    pub rule: String,
    /// Refused since its last event.
    pub denied: u64,
    /// Only counted since then.
    pub would_have_denied: u64,
    /// The last of these calls.
    pub last: Denied,
}

/// The contents of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialReport {
    /// The rule's name.
    pub rule: String,
    /// Refused since its last event.
    pub denied: u64,
    /// Only counted since then.
    pub would_have_denied: u64,
    /// The program that made the last of these calls.
    pub program: Tally,
    /// The protocol of the last call.
    pub protocol: Protocol,
}

/// The state of all rules.
#[derive(Debug, Default)]
pub struct Denials {
    /// The reported counts of each rule: denied, and only counted.
    told: BTreeMap<String, (u64, u64)>,
    limit: RateLimit<String>,
}

impl Denials {
    /// Notes an event that an earlier daemon wrote at that time.
    pub fn resume(&mut self, rule: &str, at: Duration) {
        self.limit.passed(at, rule.to_owned());
    }

    /// Notes the counts from before the daemon started.
    pub fn known(&mut self, counts: &[DenyCount]) {
        for count in counts {
            self.told.insert(count.name.clone(), (count.denied, count.would_have_denied));
        }
    }

    /// The rules whose event is due. `counts` are those of all present rules; others are forgotten.
    pub fn due(&mut self, now: Duration, counts: &[DenyCount]) -> Vec<Denial> {
        self.told.retain(|name, _| counts.iter().any(|count| count.name == *name));
        let mut due = Vec::new();
        for count in counts {
            let told = self.told.entry(count.name.clone()).or_default();
            let counted = (count.denied, count.would_have_denied);
            // A rule that was removed for a while may count from zero again.
            let before = if counted.0 < told.0 || counted.1 < told.1 { (0, 0) } else { *told };
            let Some(last) = count.last.clone().filter(|_| counted != before) else { continue };
            if self.limit.take(now, count.name.clone()).is_none() {
                continue;
            }
            *told = counted;
            due.push(Denial {
                rule: count.name.clone(),
                denied: counted.0 - before.0,
                would_have_denied: counted.1 - before.1,
                last,
            });
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::Program;

    fn count(name: &str, denied: u64) -> DenyCount {
        let last = Denied {
            at: Duration::ZERO,
            program: Program { pid: 1, uid: 0, comm: String::new(), cgroup_id: 0 },
            destination: ([10, 0, 0, 1], 22).into(),
            udp: false,
            audited: false,
        };
        DenyCount { name: name.to_owned(), denied, would_have_denied: 0, last: Some(last) }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_of_a_minute_in_the_next() {
        let mut denials = Denials::default();
        let mut due = |second, counts: &[DenyCount]| {
            let due = denials.due(Duration::from_secs(second), counts);
            due.into_iter().map(|denial| (denial.rule, denial.denied)).collect::<Vec<_>>()
        };
        let told = |rule: &str, denied| (rule.to_owned(), denied);
        assert_eq!(due(1, &[count("a", 3), count("b", 1)]), [told("a", 3), told("b", 1)]);
        assert_eq!(due(60, &[count("a", 9), count("b", 1)]), []);
        assert_eq!(due(61, &[count("a", 10), count("b", 1)]), [told("a", 7)]);
        assert_eq!(due(200, &[count("a", 10)]), []);
        assert_eq!(due(300, &[count("a", 2), count("b", 1)]), [told("a", 2), told("b", 1)]);
    }

    #[test]
    fn what_was_counted_or_told_before_is_not_told_again() {
        let mut denials = Denials::default();
        denials.resume("a", Duration::from_secs(30));
        denials.known(&[count("a", 5), count("b", 5)]);
        assert_eq!(denials.due(Duration::from_secs(31), &[count("a", 6), count("b", 5)]), []);
        let due = denials.due(Duration::from_secs(90), &[count("a", 6), count("b", 5)]);
        assert_eq!(due.iter().map(|denial| denial.denied).collect::<Vec<_>>(), [1]);
    }
}
