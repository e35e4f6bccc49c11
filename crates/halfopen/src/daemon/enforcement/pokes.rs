//! Waiters are woken when their turn comes.

use super::{Enforcement, monotonic};
use halfopen_kernel::KernelError;
use halfopen_policy::{Limits, Mode};
use std::time::Duration;

impl Enforcement {
    /// When [`Enforcement::wake`] should be called, if nothing happens until then.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.pokes.next(monotonic())
    }

    /// Wakes the waiters whose turn comes.
    ///
    /// # Errors
    /// Where the kernel part cannot be read.
    pub fn wake(&mut self) -> Result<(), KernelError> {
        let settings = self.effective.settings();
        let Self { pokes, limiter, scopes, means, .. } = self;
        // Nothing holds back the waiters of a scope that has ended, nor any while nothing is enforced.
        let open = Limits { half_open: None, ..settings.host };
        pokes.wake(limiter, &mut means.hand, monotonic(), |number| match number {
            _ if settings.mode != Mode::Enforce => open,
            0 => settings.host,
            _ => scopes.iter().find(|scope| scope.id.number() == number).map_or(open, |scope| scope.limits),
        })
    }

    pub(super) fn tend_pokes(&mut self) -> Result<(), KernelError> {
        let wanted = self.effective.settings().poke;
        self.pokes.tend(&mut self.limiter, wanted, monotonic())
    }
}
