//! What only the privileged helper can do for the daemon. Finding out who programs are is among it: the daemon waits for each answer and does nothing else meanwhile, so
//! that a crowd of programs that begin to wait must not be looked up all at once.

use crate::control::Degradation;
use crate::daemon::clock::monotonic;
use crate::events::Identity;
use crate::privileged::Helper;
use halfopen_bpf::{CgroupDir, Program};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What only the privileged helper is asked for, and what the sandboxed process lacks.
#[derive(Debug)]
pub struct Means {
    /// Keeps root.
    pub helper: Helper,
    /// The limited cgroup.
    pub cgroup: CgroupDir,
    /// Where `set --save` writes.
    pub local_file: PathBuf,
    /// What could not be given up.
    pub lacks: Vec<Degradation>,
    /// What finding out who programs are has taken.
    pub look_ups: LookUps,
}

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
    pub fn identify(&mut self, program: &Program) -> Identity {
        self.helper.identify(program).unwrap_or_else(|_| Identity::unknown(program.uid))
    }

    /// The same, if there is time for it now: its process may be gone later.
    pub fn identify_early(&mut self, program: &Program) -> Option<Identity> {
        if !self.look_ups.has_time(monotonic()) {
            return None;
        }
        let began = Instant::now();
        let identity = self.identify(program);
        self.look_ups.took += began.elapsed();
        Some(identity)
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
