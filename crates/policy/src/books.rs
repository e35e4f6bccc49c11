//! The host's accounts and every live attempt in them, on a clock that the caller keeps.
//!
//! These are the rules of the kernel part's `bpf/decide.h` said once more, over sets of attempts where the kernel has
//! only counters. The two are held together by property tests.

use crate::attempt::{Attempt, AttemptId, Ending, Stage, Standing, Verdict, charged};
use crate::scope::{Scope, ScopeId};
use crate::{Ledger, Limits, Mode, Overflow};
use std::collections::BTreeMap;

/// A SYN leaves this much (nanoseconds) or more after the attempt's last one: a second by TCP's own timer, which may run
/// a tick early.
pub const SYN_GAP_NS: u64 = 980_000_000;

/// The host scope, the own scopes and the attempts charged to them. All times are nanoseconds of one clock; it may run
/// backwards a little between two attempts, as the clocks of two CPUs do.
#[derive(Debug, Clone)]
pub struct Books {
    mode: Mode,
    /// The host's first.
    scopes: Vec<Scope>,
    attempts: BTreeMap<AttemptId, Attempt>,
    begun: u64,
}

impl Books {
    /// Books with nothing in them.
    #[must_use]
    pub fn new(mode: Mode, host: Limits) -> Self {
        Self { mode, scopes: vec![Scope::new(host)], attempts: BTreeMap::new(), begun: 0 }
    }

    /// Opens an account beside the host's.
    pub fn open_scope(&mut self, limits: Limits) -> ScopeId {
        self.scopes.push(Scope::new(limits));
        ScopeId(self.scopes.len() - 1)
    }

    /// In force for the next attempt that asks. An unknown scope changes nothing.
    pub fn set_limits(&mut self, scope: ScopeId, limits: Limits) {
        if let Some(scope) = self.scopes.get_mut(scope.0) {
            scope.limits = limits;
        }
    }

    /// In force for the next attempt that asks.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    fn each_charged(&mut self, own: Option<ScopeId>, mut each: impl FnMut(&mut Scope)) {
        for id in charged(own) {
            if let Some(scope) = self.scopes.get_mut(id.0) {
                each(scope);
            }
        }
    }

    /// The first charged scope that says no.
    fn barrier(&self, own: Option<ScopeId>, says_yes: impl Fn(&Scope) -> bool) -> Option<ScopeId> {
        charged(own).find(|id| self.scopes.get(id.0).is_some_and(|scope| !says_yes(scope)))
    }

    fn wait_at(&mut self, scope: ScopeId, attempt: AttemptId, now: u64) {
        if let Some(scope) = self.scopes.get_mut(scope.0) {
            scope.wait_here(attempt, now);
        }
    }

    /// An own scope that is not open is no scope.
    fn known(&self, own: Option<ScopeId>) -> Option<ScopeId> {
        own.filter(|&own| own != ScopeId::HOST && own.0 < self.scopes.len())
    }

    /// Whether `connect()` fails at once because a queue it would have to join is full. Asked before
    /// [`Books::begin`]: once the attempt has begun no error can be returned any more. Counts the refusal.
    pub fn refuses(&mut self, own: Option<ScopeId>) -> bool {
        let own = self.known(own);
        let has_room = |scope: &Scope| {
            scope.limits.overflow == Overflow::Wait
                || scope.waiting_here() == 0
                || scope.queued() < scope.limits.queue as usize
        };
        let refused = self.mode == Mode::Enforce && self.barrier(own, has_room).is_some();
        if refused {
            self.each_charged(own, Scope::count_refused);
        }
        refused
    }

    /// `connect()`: out at once if every charged scope has a free slot and nothing waits there, else queued (under
    /// [`Mode::Audit`] only counted). Under [`Mode::Off`] it does not enter the books.
    pub fn begin(&mut self, now: u64, own: Option<ScopeId>) -> (AttemptId, Verdict) {
        self.begin_as(Standing::Bound, now, own)
    }

    /// [`Books::begin`] for an attempt of this `standing`.
    pub fn begin_as(&mut self, standing: Standing, now: u64, own: Option<ScopeId>) -> (AttemptId, Verdict) {
        let id = AttemptId(self.begun);
        self.begun += 1;
        if self.mode == Mode::Off {
            return (id, Verdict::Go);
        }
        let own = self.known(own);
        self.each_charged(own, |scope| scope.settle(now));
        let held_back_by = match standing {
            Standing::Bound => self.barrier(own, Scope::admits),
            Standing::Essential => None,
        };
        let (stage, verdict) = match held_back_by {
            Some(scope) if self.mode == Mode::Enforce => {
                self.each_charged(own, |scope| scope.enqueue(id, now));
                self.wait_at(scope, id, now);
                (Stage::Queued, Verdict::Hold)
            }
            barrier => {
                let audited = barrier.is_some();
                self.each_charged(own, |scope| {
                    if audited {
                        scope.count_audited(now);
                    }
                    scope.admit(id, now);
                });
                let verdict = if audited { Verdict::GoAudited } else { Verdict::Go };
                (Stage::Out { in_slot_since: now, last_syn: now }, verdict)
            }
        };
        self.attempts.insert(id, Attempt { own, standing, began: now, stage, held_back_by });
        (id, verdict)
    }

    /// A queued attempt's timer runs: it goes out if every charged scope lets it, and always where nothing is enforced
    /// any more. [`Verdict::Go`] for an attempt that does not wait.
    pub fn recheck(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get(&id) else { return Verdict::Go };
        if attempt.stage != Stage::Queued {
            return Verdict::Go;
        }
        let Attempt { own, began, held_back_by, .. } = *attempt;
        self.each_charged(own, |scope| scope.settle(now));
        let barrier = match self.mode {
            Mode::Enforce => self.barrier(own, |scope| scope.releases(now)),
            Mode::Audit | Mode::Off => None,
        };
        let stage = if let Some(scope) = barrier {
            if barrier != held_back_by {
                self.each_charged(own, |scope| scope.wait_elsewhere(id));
                self.wait_at(scope, id, now);
            }
            Stage::Queued
        } else {
            self.each_charged(own, |scope| scope.release(id, began, now));
            Stage::Out { in_slot_since: now, last_syn: now }
        };
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.stage = stage;
            attempt.held_back_by = barrier.or(held_back_by);
        }
        if barrier.is_some() { Verdict::Hold } else { Verdict::Go }
    }

    /// An attempt that is out wants to send its SYN again. [`Verdict::Hold`] for one that waits, [`Verdict::Go`] for
    /// one that is not in the books.
    pub fn resend(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get(&id) else { return Verdict::Go };
        let Stage::Out { in_slot_since, last_syn } = attempt.stage else { return Verdict::Hold };
        if now.saturating_sub(last_syn) < SYN_GAP_NS {
            return Verdict::TooEarly;
        }
        let own = attempt.own;
        let enforced = self.mode == Mode::Enforce && attempt.standing == Standing::Bound;
        self.each_charged(own, |scope| scope.settle(now));
        let in_slot_for = now.saturating_sub(in_slot_since);
        if enforced && self.barrier(own, |scope| scope.lets_resend(id, in_slot_for, now)).is_some() {
            return Verdict::Hold;
        }
        let mut aged = false;
        self.each_charged(own, |scope| aged |= scope.resend(id, now));
        if let Some(attempt) = self.attempts.get_mut(&id) {
            let in_slot_since = if aged { now } else { in_slot_since };
            attempt.stage = Stage::Out { in_slot_since, last_syn: now };
        }
        Verdict::Go
    }

    /// The attempt left `SYN_SENT`: slot or place comes back. Nothing happens for one that is not in the books.
    pub fn end(&mut self, now: u64, id: AttemptId, ending: Ending) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        for scope in attempt.charged() {
            let Some(scope) = self.scopes.get_mut(scope.0) else { continue };
            scope.settle(now);
            match attempt.stage {
                Stage::Queued => scope.end_queued(id, attempt.began, ending, now),
                Stage::Out { .. } => scope.end_out(id, ending),
            }
        }
    }

    /// The scope's numbers at `now`; all zero for an unknown scope.
    #[must_use]
    pub fn ledger(&self, scope: ScopeId, now: u64) -> Ledger {
        self.scopes.get(scope.0).map_or_else(Ledger::default, |scope| scope.ledger(now))
    }

    /// Queued attempts that this scope, not another, holds back.
    #[must_use]
    pub fn waiting_at(&self, scope: ScopeId) -> usize {
        self.scopes.get(scope.0).map_or(0, Scope::waiting_here)
    }

    /// The scope that last said no to this attempt; `None` if none did.
    #[must_use]
    pub fn held_back_by(&self, attempt: AttemptId) -> Option<ScopeId> {
        self.attempts.get(&attempt)?.held_back_by
    }
}
