//! The host's accounts and every live attempt in them, on a clock that the caller keeps.
//!
//! These are the rules of the kernel part's `bpf/decide.h` said once more, over sets of attempts where the kernel has
//! only counters. The two are held together by property tests.

use crate::attempt::{Attempt, AttemptId, Ending, Origin, Refusal, Stage, Standing, Verdict};
use crate::credit::{Offer, Repute, Side};
use crate::first_contact::Purse;
use crate::parties::Party;
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

    fn each_charged(&mut self, origin: &Origin, mut each: impl FnMut(&mut Scope)) {
        for id in origin.charged() {
            if let Some(scope) = self.scopes.get_mut(id.0) {
                each(scope);
            }
        }
    }

    /// The first charged scope that says no.
    fn barrier(
        &mut self,
        origin: &Origin,
        mut says_yes: impl FnMut(ScopeId, &mut Scope) -> bool,
    ) -> Option<ScopeId> {
        origin.charged().find(|&id| self.scopes.get_mut(id.0).is_some_and(|scope| !says_yes(id, scope)))
    }

    fn wait_at(&mut self, at: ScopeId, attempt: AttemptId, origin: &Origin, now: u64) {
        if let Some(scope) = self.scopes.get_mut(at.0) {
            scope.wait_here(attempt, origin.contact(), Self::party_at(at, origin), now);
        }
    }

    fn wait_no_more(&mut self, at: Option<ScopeId>, attempt: AttemptId, origin: &Origin) {
        if let Some(at) = at
            && let Some(scope) = self.scopes.get_mut(at.0)
        {
            scope.wait_elsewhere(attempt, Self::party_at(at, origin));
        }
    }

    /// Only the host's turns go round among parties.
    fn party_at(at: ScopeId, origin: &Origin) -> Option<Party> {
        (at == ScopeId::HOST).then_some(origin.party)
    }

    /// A scope that is not open is no scope.
    fn known(&self, origin: Origin) -> Origin {
        let open = |id: Option<ScopeId>| id.filter(|&id| id != ScopeId::HOST && id.0 < self.scopes.len());
        Origin { own: open(origin.own), interface: open(origin.interface), ..origin }
    }

    /// Whether `connect()` fails at once, because the account is blocked or a queue it would have to join is full. Asked
    /// before [`Books::begin`]: once the attempt has begun no error can be returned any more. Counts the refusal.
    pub fn refuses(&mut self, now: u64, origin: Origin) -> Option<Refusal> {
        let origin = self.known(origin);
        if self.mode != Mode::Enforce {
            return None;
        }
        if self.barrier(&origin, |_, scope| !scope.is_blocked(now)).is_some() {
            self.each_charged(&origin, Scope::count_blocked);
            return Some(Refusal::Blocked);
        }
        let has_room = |scope: &Scope| {
            scope.limits.overflow == Overflow::Wait
                || scope.waiting_here() == 0
                || scope.queued() < scope.limits.queue as usize
        };
        self.barrier(&origin, |_, scope| has_room(scope))?;
        self.each_charged(&origin, Scope::count_refused);
        Some(Refusal::QueueFull)
    }

    /// `connect()`: out at once if every charged scope has a free slot, credit for a first contact, and nothing of equal
    /// or better rank waits there; else queued (under [`Mode::Audit`] only counted). Under [`Mode::Off`] it does not
    /// enter the books.
    pub fn begin(&mut self, now: u64, origin: Origin) -> (AttemptId, Verdict) {
        let id = AttemptId(self.begun);
        self.begun += 1;
        if self.mode == Mode::Off {
            return (id, Verdict::Go);
        }
        let mut origin = self.known(origin);
        self.each_charged(&origin, |scope| scope.settle(origin.purse(), now));
        let says =
            |id: ScopeId| self.scopes.get(id.0)?.tells_first(origin.first, origin.purse(), origin.address);
        origin.first = origin.standing == Standing::Bound && origin.charged().find_map(says) == Some(true);
        let held_back_by = match origin.standing {
            Standing::Bound => self.barrier(&origin, |_, scope| scope.admits(origin.contact())),
            Standing::Essential => None,
        };
        let mut attempt = Attempt {
            origin,
            began: now,
            stage: Stage::Queued,
            held_back_by,
            places: BTreeMap::new(),
            pending: false,
            side: Side::Oldest,
        };
        let verdict = match held_back_by {
            Some(scope) if self.mode == Mode::Enforce => {
                for charged in origin.charged() {
                    let Some(scope) = self.scopes.get_mut(charged.0) else { continue };
                    if let Some(place) = scope.enqueue(id, origin.contact(), now) {
                        attempt.places.insert(charged, place);
                    }
                }
                self.wait_at(scope, id, &origin, now);
                Verdict::Hold
            }
            barrier => {
                let audited = barrier.is_some();
                self.each_charged(&origin, |scope| {
                    if audited {
                        scope.count_audited(now);
                    }
                    scope.admit(id, now);
                });
                self.go_out(&mut attempt, now);
                if audited { Verdict::GoAudited } else { Verdict::Go }
            }
        };
        self.attempts.insert(id, attempt);
        (id, verdict)
    }

    fn go_out(&mut self, attempt: &mut Attempt, now: u64) {
        let origin = attempt.origin;
        if origin.standing == Standing::Bound {
            self.each_charged(&origin, |scope| {
                scope.contact(origin.first, origin.purse(), origin.address, now);
            });
        }
        attempt.pending = origin.first;
        attempt.stage = Stage::Out { in_slot_since: now, last_syn: now };
    }

    /// A queued attempt's timer runs: it goes out if every charged scope lets it, and always where nothing is enforced
    /// any more. [`Verdict::Go`] for an attempt that does not wait.
    pub fn recheck(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(mut attempt) = self.attempts.get(&id).cloned() else { return Verdict::Go };
        if attempt.stage != Stage::Queued {
            return Verdict::Go;
        }
        let origin = attempt.origin;
        self.each_charged(&origin, |scope| scope.settle(origin.purse(), now));
        let barrier = match self.mode {
            Mode::Enforce => self.barrier(&origin, |at, scope| {
                let place = attempt.places.get(&at).copied().unwrap_or_default();
                let waits_here = attempt.held_back_by == Some(at);
                scope.releases(
                    origin.contact(),
                    place,
                    Self::party_at(at, &origin).filter(|_| waits_here),
                    now,
                )
            }),
            Mode::Audit | Mode::Off => None,
        };
        let verdict = if let Some(at) = barrier {
            if barrier != attempt.held_back_by {
                self.wait_no_more(attempt.held_back_by, id, &origin);
                self.wait_at(at, id, &origin, now);
                attempt.held_back_by = barrier;
            }
            Verdict::Hold
        } else {
            if attempt.held_back_by == Some(ScopeId::HOST)
                && let Some(host) = self.scopes.first_mut()
            {
                host.take_party_turn(origin.party);
            }
            self.wait_no_more(attempt.held_back_by, id, &origin);
            for charged in origin.charged() {
                let Some(scope) = self.scopes.get_mut(charged.0) else { continue };
                let place = attempt.places.get(&charged).copied().unwrap_or_default();
                if origin.first
                    && let Some(side) = scope.leave_by(origin.purse(), place, now)
                {
                    attempt.side = side;
                }
                scope.release(id, attempt.began, now);
            }
            self.go_out(&mut attempt, now);
            Verdict::Go
        };
        self.attempts.insert(id, attempt);
        verdict
    }

    /// The address of a waiter has answered or been tried while it waited: it costs nothing any more. Nothing happens
    /// to one that does not wait.
    pub fn knows(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if attempt.stage != Stage::Queued || !attempt.origin.first {
            return;
        }
        attempt.origin.first = false;
        let (origin, places) = (attempt.origin, std::mem::take(&mut attempt.places));
        for charged in origin.charged() {
            if let Some(scope) = self.scopes.get_mut(charged.0) {
                scope.knows(id, origin.purse(), places.get(&charged).copied().unwrap_or_default());
            }
        }
    }

    /// An attempt that is out wants to send its SYN again. [`Verdict::Hold`] for one that waits, [`Verdict::Go`] for
    /// one that is not in the books.
    pub fn resend(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get(&id) else { return Verdict::Go };
        let Stage::Out { in_slot_since, last_syn } = attempt.stage else { return Verdict::Hold };
        let (origin, pending, side) = (attempt.origin, attempt.pending, attempt.side);
        let enforced = self.mode == Mode::Enforce && origin.standing == Standing::Bound;
        self.each_charged(&origin, |scope| scope.settle(origin.purse(), now));
        if now.saturating_sub(last_syn) < SYN_GAP_NS {
            return Verdict::TooEarly;
        }
        if pending {
            self.each_charged(&origin, |scope| scope.silence(origin.purse(), side, now));
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.pending = false;
            }
        }
        let in_slot_for = now.saturating_sub(in_slot_since);
        if enforced && self.barrier(&origin, |_, scope| scope.lets_resend(id, in_slot_for, now)).is_some() {
            return Verdict::Hold;
        }
        let mut aged = false;
        self.each_charged(&origin, |scope| aged |= scope.resend(id, now));
        if let Some(attempt) = self.attempts.get_mut(&id) {
            let in_slot_since = if aged { now } else { in_slot_since };
            attempt.stage = Stage::Out { in_slot_since, last_syn: now };
        }
        Verdict::Go
    }

    /// The attempt left `SYN_SENT`: slot or place comes back. `neighbours`: so many first contacts of its neighbourhood
    /// have been answered lately. Nothing happens for one that is not in the books.
    pub fn end(&mut self, now: u64, id: AttemptId, ending: Ending, neighbours: u32) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let Attempt { origin, pending, side, .. } = attempt;
        self.each_charged(&origin, |scope| scope.settle(origin.purse(), now));
        if attempt.stage == Stage::Queued {
            self.wait_no_more(attempt.held_back_by, id, &origin);
        }
        for charged in origin.charged() {
            let Some(scope) = self.scopes.get_mut(charged.0) else { continue };
            match attempt.stage {
                Stage::Queued => {
                    if origin.first {
                        scope
                            .leave(origin.purse(), attempt.places.get(&charged).copied().unwrap_or_default());
                    }
                    scope.end_queued(id, attempt.began, ending, now);
                }
                Stage::Out { .. } => {
                    if origin.first && ending == Ending::Established {
                        if pending {
                            scope.pending_no_more(origin.purse());
                        }
                        scope.answer(origin.purse(), side, neighbours, now);
                    } else if pending {
                        scope.silence(origin.purse(), side, now);
                    }
                    scope.end_out(id, ending);
                }
            }
        }
    }

    /// How a scope stands with its first contacts.
    #[must_use]
    pub fn repute(&self, scope: ScopeId, purse: Purse) -> Repute {
        self.scopes.get(scope.0).map_or_else(Repute::default, |scope| scope.repute(purse))
    }

    /// What those who wait for a scope's credit have to expect at `now`; `None` where none is asked for.
    #[must_use]
    pub fn offer(&self, scope: ScopeId, purse: Purse, now: u64) -> Option<Offer> {
        self.scopes.get(scope.0)?.offer(purse, now)
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
