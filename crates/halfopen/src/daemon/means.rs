//! What only the privileged helper can do for the daemon, such as identifying programs. The daemon does nothing else
//! while it waits for an answer, so it must not identify a crowd of new waiters all at once.

use crate::control::{Degradation, DegradedStatus};
use crate::daemon::account_name::{AccountIs, name_of};
use crate::daemon::account_paths::{AccountPaths, Place};
use crate::daemon::seen::LookedUp;
use crate::events::Identity;
use crate::privileged::Helper;
use halfopen_bpf::{Account, AccountOf, CgroupDir, Program, ProgramCount, monotonic};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The privileged helper, and what the sandboxed process lacks.
#[derive(Debug)]
pub struct Means {
    /// The privileged helper, which keeps root.
    pub helper: Helper,
    /// The limited cgroup.
    pub cgroup: CgroupDir,
    /// The file that `set --save` writes.
    pub local_file: PathBuf,
    /// What the sandbox lacks.
    pub lacks: Vec<Degradation>,
    /// The sockets of container runtimes that did not answer the last time, each with the reason.
    pub failed_sockets: Vec<String>,
    /// The time that identifying programs has taken.
    pub look_ups: LookUps,
    /// The paths of accounts, also of those whose cgroup is gone.
    pub(super) account_paths: AccountPaths,
}

const SECOND: Duration = Duration::from_secs(1);
/// How much of a second look-ups for waiters may take. Look-ups for the few programs in an event come on top.
const A_SECOND: Duration = Duration::from_millis(50);

/// The time that recent look-ups have taken.
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
    /// The names behind a program's numbers, as far as they can be found.
    pub fn identify(&mut self, program: &Program) -> Identity {
        self.helper.identify(program).unwrap_or_else(|_| Identity::unknown(program.uid))
    }

    /// An account by name, with the place that its cgroup had if that is gone.
    pub(super) fn name_account(
        &mut self,
        account: &Account,
        scope: &str,
        counts: &[ProgramCount],
    ) -> AccountIs {
        let is_cgroup = matches!(account.id.of(), Some(AccountOf::Cgroup(_)));
        let identify = |program: &Program| {
            let mut identity = self.identify(program);
            if is_cgroup {
                let path = identity.cgroup.filter(|_| program.cgroup_id != 0);
                let now = path.map(|path| Place { path, runs_in: identity.runs_in });
                let known = self.account_paths.known(account.id, now);
                identity.runs_in = known.as_ref().map(|place| place.runs_in.clone()).unwrap_or_default();
                identity.cgroup = known.map(|place| place.path);
            }
            identity
        };
        name_of(identify, account, scope, counts)
    }

    /// Asks again for the names of the container and pod of a program in this cgroup, if any was missing: a runtime may
    /// have said them meanwhile.
    pub(super) fn name_again(&mut self, identity: &mut Identity, cgroup_id: u64) {
        if identity.runs_in.lacks_a_name() {
            let cgroup = Program { pid: 0, uid: 0, comm: String::new(), cgroup_id };
            let found = self.identify(&cgroup);
            if found.cgroup.is_some() {
                identity.runs_in = found.runs_in;
            }
        }
    }

    /// Asks the helper which sockets of container runtimes fail, and logs what has changed.
    pub(super) fn follow_runtime_sockets(&mut self) {
        let Ok(failed) = self.helper.failed_runtime_sockets() else { return };
        for why in failed.iter().filter(|why| !self.failed_sockets.contains(why)) {
            tracing::warn!("{}", DegradedStatus::runtime_socket_failed(why).explanation);
        }
        if failed.is_empty() && !self.failed_sockets.is_empty() {
            tracing::info!("the sockets of container runtimes answer again");
        }
        self.failed_sockets = failed;
    }

    /// As [`Means::identify`], if there is time for it now. Later the process may be gone.
    pub fn identify_early(&mut self, program: &Program) -> Option<Identity> {
        self.early(|means| means.identify(program))
    }

    /// The names behind a program's numbers, its command line and its parent.
    pub(super) fn look_up(&mut self, program: &Program) -> LookedUp {
        let process = self.helper.process(program.pid, Some(&program.comm)).ok().flatten();
        LookedUp { identity: self.identify(program), process }
    }

    /// The same, if there is time for it now.
    pub(super) fn look_up_early(&mut self, program: &Program) -> Option<LookedUp> {
        self.early(|means| means.look_up(program))
    }

    fn early<T>(&mut self, look_up: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if !self.look_ups.has_time(monotonic()) {
            return None;
        }
        let began = Instant::now();
        let found = look_up(self);
        self.look_ups.took += began.elapsed();
        Some(found)
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
