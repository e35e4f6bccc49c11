//! Wakes waiters when their turn comes.

use crate::daemon::enforcement::Enforcement;
use halfopen_bpf::KernelError;
use halfopen_bpf::monotonic;
use halfopen_policy::Mode;
use std::time::Duration;

impl Enforcement {
    /// When to call [`Enforcement::wake`] if nothing happens until then.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.wakeups.next(monotonic())
    }

    /// Wakes the waiters whose turn has come.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
    pub fn wake(&mut self) -> Result<(), KernelError> {
        let enforced = self.mode_now() == Mode::Enforce;
        let Self { wakeups, limiter, means, .. } = self;
        wakeups.wake(limiter, &mut means.helper, monotonic(), enforced)
    }

    pub(in crate::daemon) fn tend_pokes(&mut self) -> Result<(), KernelError> {
        let wanted = self.resolved.general().wakeups;
        self.wakeups.tend(&mut self.limiter, self.means.helper.is_there(), wanted, monotonic())
    }
}
