//! Faults of the kernel part in the log: a new kind is logged at once, a known kind at most once a minute.

use crate::rate_limit::RateLimit;
use halfopen_bpf::{Fault, FaultCount};
use std::collections::HashMap;
use std::time::Duration;

/// The faults that were logged.
#[derive(Debug, Default)]
pub struct FaultLog {
    /// The count at which each was last logged.
    said: HashMap<Fault, u64>,
    limit: RateLimit<Fault>,
}

impl FaultLog {
    /// The lines that are due for `found` at `now`.
    pub fn due(&mut self, now: Duration, found: &[FaultCount]) -> Vec<String> {
        let mut lines = Vec::new();
        for FaultCount { fault, count } in found {
            let said = self.said.get(fault);
            if said == Some(count) || self.limit.take(now, *fault).is_none() {
                continue;
            }
            lines.push(match said {
                None => format!("{} ({count} so far)", fault.explain()),
                Some(known) => {
                    format!(
                        "{} ({} more times, {count} in all)",
                        fault.explain(),
                        count.saturating_sub(*known)
                    )
                }
            });
            self.said.insert(*fault, *count);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once_and_then_once_a_minute() {
        let mut log = FaultLog::default();
        let mut lines = |second, count| {
            let found = [FaultCount { fault: Fault::RawTcpRefused, count }];
            log.due(Duration::from_secs(second), &found).len()
        };
        let said = [lines(0, 1), lines(1, 1), lines(2, 9), lines(61, 9), lines(62, 9), lines(63, 10)];
        assert_eq!(said, [1, 0, 0, 1, 0, 0]);
    }
}
