//! Finding out who programs are, by the privileged helper: the daemon waits for each answer and does nothing else meanwhile, so
//! that a crowd of programs that begin to wait must not be looked up all at once.

use super::{Enforcement, Means, monotonic};
use crate::events::{Identity, Report};
use halfopen_kernel::Program;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// What look-ups may take of a second while attempts wait. Others are made for the few programs that an event lists.
const A_SECOND: Duration = Duration::from_millis(50);

/// What look-ups have taken lately.
#[derive(Debug, Default)]
pub struct LookUps {
    since: Duration,
    took: Duration,
}

impl LookUps {
    fn has_time(&mut self, now: Duration) -> bool {
        if self.since + SECOND <= now {
            *self = Self { since: now, took: Duration::ZERO };
        }
        self.took < A_SECOND
    }
}

impl Means {
    /// What stands behind a program's numbers, as far as it can be found out.
    pub(super) fn identify(&mut self, program: &Program) -> Identity {
        self.hand.identify(program).unwrap_or_else(|_| Identity::unknown(program.uid))
    }

    /// The same, if there is time for it now: its process may be gone later.
    pub(super) fn identify_early(&mut self, program: &Program) -> Option<Identity> {
        if !self.look_ups.has_time(monotonic()) {
            return None;
        }
        let began = Instant::now();
        let identity = self.identify(program);
        self.look_ups.took += began.elapsed();
        Some(identity)
    }
}

impl Enforcement {
    /// Writes the event for `report`, in a scope with this `limit` and `queued` attempts.
    pub(super) fn announce(&mut self, mut report: Report, limit: Option<u32>, queued: u64) {
        for tally in &mut report.programs {
            tally.identity.get_or_insert_with(|| self.means.identify(&tally.program));
        }
        self.announcer.episodes.know(&report);
        self.announcer.announce(report, limit, queued);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_time_for_some() {
        let mut look_ups = LookUps::default();
        assert!(look_ups.has_time(SECOND));
        look_ups.took = A_SECOND;
        assert!(!look_ups.has_time(SECOND + SECOND / 2) && look_ups.has_time(2 * SECOND));
    }
}
