//! What hooks ask and do beside the questions that every attempt asks.

use super::Accounting;
use crate::attempt::{AttemptId, Origin};
use crate::native;

/// When a reconcile walk begins, while another CPU begins or ends an attempt without the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum WalkComes {
    /// Just before the attempt's record says that it has ended.
    BeforeEnd = 1,
    /// When a slot of it is taken or given back.
    AtExchange = 2,
    /// As [`WalkComes::BeforeEnd`], and then a third CPU ends it.
    AndEnds = 3,
}

impl Accounting {
    /// Rules of a namespace translate the attempt's address: it leaves the accounting, and begins anew with the
    /// translated one. `sent`: one of its SYNs has left. Does nothing for an attempt that is not in the accounting.
    pub fn withdraw(&mut self, now: u64, id: AttemptId, sent: bool) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if let Some(mut charged) = self.scopes.of(&attempt.charges) {
            charged.withdraw(&mut attempt.native, !sent, now);
        }
        self.attempts.forget(id);
    }

    /// The SYN of an attempt that was let out leaves now. Returns whether it is so late that its slots are dated anew;
    /// `false` for an attempt that is not in the accounting.
    pub fn leaves(&mut self, now: u64, id: AttemptId) -> bool {
        let Some(attempt) = self.attempts.get_mut(id) else { return false };
        self.scopes
            .of(&attempt.charges)
            .is_some_and(|mut charged| charged.leaves_late(&mut attempt.native, now))
    }

    /// Whether `connect()` looks at the attempt's part at all before it refuses.
    pub fn asks_for_part(&mut self, origin: Origin) -> bool {
        let to = self.scopes.charges(&origin);
        self.scopes.of(&to).is_some_and(|mut charged| charged.asks_for_part())
    }

    /// Whether an attempt that begins at `now` finds its part, because it may have to wait.
    pub fn may_have_to_wait(&mut self, now: u64, origin: Origin) -> bool {
        let to = self.scopes.charges(&origin);
        let mut attempt = native::Attempt::new(&origin);
        self.scopes.of(&to).is_some_and(|mut charged| charged.may_have_to_wait(&mut attempt, now))
    }

    /// The turns of the host until the attempt's top-level cgroup has its own, and the turns of that cgroup until its
    /// part has its own.
    pub fn turns_until(&mut self, origin: Origin) -> [u32; 2] {
        let to = self.scopes.charges(&origin);
        self.scopes.of(&to).map_or([0; 2], |mut charged| charged.turns_until())
    }

    /// Whether hooks take the lock at `now` where settling a scope changes something, and nowhere else.
    #[must_use]
    pub fn settles_exactly(&self, now: u64) -> bool {
        self.scopes.accounts.iter().all(|account| account.scope.settles_exactly(&account.limits, now))
    }

    /// Makes a reconcile walk begin in the middle of the next attempt that begins or ends without the lock, and meet it.
    pub fn walk_will_come(&mut self, when: WalkComes) {
        native::walk_will_come(when as u32);
    }

    /// The number that a queued attempt has got in the host's queue, by which its timers are spread.
    #[must_use]
    pub fn number_in_queue(&self, id: AttemptId) -> Option<u32> {
        self.attempts
            .get(id)
            .filter(|attempt| attempt.native.is_queued())
            .map(|attempt| attempt.native.queue_number)
    }

    /// Whether no party is in the way of its own collection: none counts an attempt that waits.
    #[must_use]
    pub fn parties_are_empty(&self) -> bool {
        let parties = self.scopes.tops.iter().chain(self.scopes.parts.iter());
        parties.map(|party| [party.queued, party.waiters, party.waiting]).all(|counts| counts == [0; 3])
    }
}
