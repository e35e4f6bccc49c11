//! The host's accounts and every live attempt in them, on a clock that the caller keeps.
//!
//! The kernel part's headers (`bpf/decide.h`, `bpf/outcome.h` and what they include), compiled for this
//! machine, make all decisions. This module does what maps and sockets do in the kernel: it finds the
//! accounts, parties and records of attempts.

mod beside;
mod charges;
mod reconcile;

pub use beside::WalkComes;

use crate::attempt::{AttemptId, Ending, Origin, Refusal, Standing, Verdict};
use crate::credit::{Offer, Repute};
use crate::first_contact::CreditBucket;
use crate::native::{self, Said};
use crate::scope::ScopeId;
use crate::{Ledger, Limits, Mode, abi};
use charges::{Account, Charges, Scopes};
use slab::Slab;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The least time between two SYNs of an attempt, in nanoseconds: a second by TCP's own timer, which may run
/// a tick early.
pub const SYN_GAP_NS: u64 = abi::SYN_GAP_NS as u64;

/// The host scope, all other scopes, and the attempts charged to them. All times are nanoseconds of one
/// clock, which may run backwards a little between two attempts, as the clocks of two CPUs do.
#[derive(Debug, Clone)]
pub struct Accounting {
    mode: Mode,
    scopes: Scopes,
    attempts: Attempts,
    /// Those that a limit counts, by the attempts that they were.
    connections: BTreeMap<AttemptId, Connection>,
}

#[derive(Debug, Clone)]
struct Attempt {
    id: AttemptId,
    charges: Charges,
    native: native::Attempt,
    /// Whether some scope has held it back.
    held_back: bool,
}

#[derive(Debug, Clone)]
struct Connection {
    charges: Charges,
    native: native::Connection,
}

/// The live attempts.
#[derive(Debug, Clone, Default)]
struct Attempts {
    places: Slab<Attempt>,
    begun: u64,
}

impl Attempts {
    /// An id that no other attempt has; for one that is put here, with its place.
    fn next_id(&mut self, place: u32) -> AttemptId {
        self.begun += 1;
        AttemptId { number: self.begun, place }
    }

    /// Has one more begin.
    fn put(&mut self, origin: &Origin, charges: Charges) -> &mut Attempt {
        let id = self.next_id(self.places.vacant_key() as u32);
        let native = native::Attempt::new(origin);
        self.places.vacant_entry().insert(Attempt { id, charges, native, held_back: false })
    }

    fn get(&self, id: AttemptId) -> Option<&Attempt> {
        self.places.get(id.place as usize).filter(|attempt| attempt.id == id)
    }

    fn get_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        self.places.get_mut(id.place as usize).filter(|attempt| attempt.id == id)
    }

    fn forget(&mut self, id: AttemptId) {
        self.places.try_remove(id.place as usize);
    }
}

impl Accounting {
    /// Empty accounting.
    #[must_use]
    pub fn new(mode: Mode, host: Limits) -> Self {
        let scopes = Scopes::new(&host);
        Self { mode, scopes, attempts: Attempts::default(), connections: BTreeMap::new() }
    }

    /// Opens a scope beside the host's.
    pub fn open_scope(&mut self, limits: Limits) -> ScopeId {
        self.scopes.accounts.push(Account::new(&limits));
        ScopeId(self.scopes.accounts.len() - 1)
    }

    /// Sets a scope's limits for the next attempt that asks. An unknown scope changes nothing.
    pub fn set_limits(&mut self, scope: ScopeId, limits: Limits) {
        if let Some(account) = self.scopes.accounts.get_mut(scope.0) {
            account.limits = Arc::new((&limits).into());
        }
    }

    /// Sets the mode for the next attempt that asks.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Whether `connect()` fails at once: its account is blocked, a queue that it would have to join is full
    /// and its part has had its places there, or its part has cancelled too many waiting attempts. Counts the
    /// refusal. Asked before [`Accounting::begin`]: once the attempt has begun, no error can be returned.
    pub fn refuses(&mut self, now: u64, origin: Origin) -> Option<Refusal> {
        if self.mode != Mode::Enforce || origin.standing == Standing::NeverHold {
            return None;
        }
        let to = self.scopes.charges(&origin);
        self.scopes.of(&to)?.refuse(!origin.first || origin.named, now)
    }

    /// `connect()`: the attempt goes out at once if every charged scope has a free slot, credit for a first
    /// contact, and no waiter of equal or better rank; otherwise it is queued (under [`Mode::Audit`] only
    /// counted). Under [`Mode::Off`] it does not enter the accounting.
    pub fn begin(&mut self, now: u64, origin: Origin) -> (AttemptId, Verdict) {
        if self.mode == Mode::Off {
            return (self.attempts.next_id(u32::MAX), Verdict::Go);
        }
        let to = self.scopes.charges(&origin);
        let attempt = self.attempts.put(&origin, to);
        let Some(mut charged) = self.scopes.of(&to) else { return (attempt.id, Verdict::Go) };
        let verdict = charged.begin(&mut attempt.native, self.mode, now);
        attempt.held_back = matches!(verdict, Verdict::Hold | Verdict::GoAudited);
        (attempt.id, verdict)
    }

    /// A queued attempt's timer runs. The attempt goes out if every charged scope lets it, and always if the
    /// mode is not [`Mode::Enforce`] any more. Returns [`Verdict::Go`] for an attempt that does not wait.
    pub fn recheck(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(id) else { return Verdict::Go };
        match self.scopes.of(&attempt.charges) {
            Some(mut charged) if attempt.native.is_queued() => {
                charged.recheck(&mut attempt.native, self.mode, now)
            }
            _ => Verdict::Go,
        }
    }

    /// The address of a waiter has answered, or was tried, while it waited: the attempt costs nothing any
    /// more. Does nothing for an attempt that does not wait.
    pub fn knows(&mut self, now: u64, id: AttemptId) {
        if let Some(attempt) = self.attempts.get_mut(id)
            && attempt.native.is_queued()
            && let Some(mut charged) = self.scopes.of(&attempt.charges)
        {
            charged.knows(&mut attempt.native, now);
        }
    }

    /// An attempt that is out wants to send its SYN again. Returns [`Verdict::Hold`] for one that waits, and
    /// [`Verdict::Go`] for one that is not in the accounting.
    pub fn resend(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(id) else { return Verdict::Go };
        match self.scopes.of(&attempt.charges) {
            Some(mut charged) if !attempt.native.is_queued() => {
                charged.resend(&mut attempt.native, self.mode, now)
            }
            _ => Verdict::Hold,
        }
    }

    /// The attempt left `SYN_SENT`: its slot or place is free again. `neighbours`: how many other first
    /// contacts of its neighbourhood were answered lately. Does nothing for an attempt that is not in the
    /// accounting.
    pub fn end(&mut self, now: u64, id: AttemptId, ending: Ending, neighbours: u32) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if let Some(mut charged) = self.scopes.of(&attempt.charges)
            && let Some(native) = charged.end(&mut attempt.native, ending, neighbours, now)
        {
            self.connections.insert(id, Connection { charges: attempt.charges, native });
        }
        self.attempts.forget(id);
    }

    /// The connection that this attempt has become ends: it counts no more, or only for `time_wait`. Does nothing for
    /// one that no limit counts.
    pub fn close(&mut self, now: u64, id: AttemptId) {
        if let Some(mut connection) = self.connections.remove(&id)
            && let Some(mut charged) = self.scopes.of(&connection.charges)
        {
            charged.close(&mut connection.native, now);
        }
    }

    fn account(&self, scope: ScopeId) -> Option<&Account> {
        self.scopes.accounts.get(scope.0)
    }

    /// The state of a scope's first contacts.
    #[must_use]
    pub fn repute(&self, scope: ScopeId, bucket: CreditBucket) -> Repute {
        self.account(scope).map_or_else(Repute::default, |account| account.scope.repute(bucket))
    }

    /// What waiters for a scope's credit can expect at `now`; `None` if a first contact costs none there.
    #[must_use]
    pub fn offer(&self, scope: ScopeId, bucket: CreditBucket, now: u64) -> Option<Offer> {
        let account = self.account(scope)?;
        account.scope.offer(&account.limits, bucket, now)
    }

    /// The scope's ledger at `now`; all zero for an unknown scope.
    #[must_use]
    pub fn ledger(&self, scope: ScopeId, now: u64) -> Ledger {
        self.account(scope).map_or_else(Ledger::default, |account| Ledger::of(&account.scope, now))
    }

    /// How many attempts of the scope hold a slot at `now`, as the ledger has it; 0 for an unknown scope.
    #[must_use]
    pub fn half_open(&self, scope: ScopeId, now: u64) -> u32 {
        self.account(scope).map_or(0, |account| account.scope.half_open(now))
    }

    /// How many attempts this scope, and no other, holds back.
    #[must_use]
    pub fn waiting_at(&self, scope: ScopeId) -> usize {
        self.account(scope).map_or(0, |account| account.scope.waiting_here as usize)
    }

    /// The scope that last held this attempt back; `None` if none did.
    #[must_use]
    pub fn held_back_by(&self, attempt: AttemptId) -> Option<ScopeId> {
        let attempt = self.attempts.get(attempt).filter(|attempt| attempt.held_back)?;
        match attempt.native.blocked_on() {
            Said::Host => Some(ScopeId::HOST),
            Said::Own => attempt.charges.own(),
            Said::Interface => attempt.charges.interface(),
        }
    }
}
