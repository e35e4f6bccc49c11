//! The host's accounts and every live attempt in them, on a clock that the caller keeps.
//!
//! The kernel part's headers (`bpf/decide.h`, `bpf/outcome.h` and what they include), compiled for this
//! machine, make all decisions. This module does what maps and sockets do in the kernel: it finds the
//! accounts, parties and records of attempts.

mod beside;
mod reconcile;

pub use beside::WalkComes;

use crate::attempt::{AttemptId, Ending, Origin, Party, Refusal, Standing, Verdict};
use crate::credit::{Offer, Repute};
use crate::first_contact::CreditBucket;
use crate::native::{self, Charged, Native, Said};
use crate::scope::ScopeId;
use crate::{Ledger, Limits, Mode, abi};
use std::collections::BTreeMap;

/// The least time between two SYNs of an attempt, in nanoseconds: a second by TCP's own timer, which may run
/// a tick early.
pub const SYN_GAP_NS: u64 = abi::SYN_GAP_NS as u64;

/// The host scope, all other scopes, and the attempts charged to them. All times are nanoseconds of one
/// clock, which may run backwards a little between two attempts, as the clocks of two CPUs do.
#[derive(Debug, Clone)]
pub struct Accounting {
    mode: Mode,
    scopes: Scopes,
    attempts: BTreeMap<AttemptId, Attempt>,
    begun: u64,
}

#[derive(Debug, Clone)]
struct Account {
    scope: native::Scope,
    limits: native::Limits,
}

#[derive(Debug, Clone)]
struct Scopes {
    /// The host's first.
    accounts: Vec<Account>,
    tops: BTreeMap<u64, native::Party>,
    parts: BTreeMap<Party, native::Party>,
}

#[derive(Debug, Clone)]
struct Attempt {
    origin: Origin,
    native: native::Attempt,
    /// Whether some scope has held it back.
    held_back: bool,
}

impl Account {
    fn new(limits: &Limits) -> Self {
        Self { scope: Native::default(), limits: limits.into() }
    }

    fn pair(&mut self) -> (&mut native::Scope, &native::Limits) {
        (&mut self.scope, &self.limits)
    }
}

impl Scopes {
    fn of(&mut self, origin: &Origin) -> Option<Charged<'_>> {
        let (host, rest) = self.accounts.split_first_mut()?;
        let at = |id: ScopeId| id.0 - 1;
        let [own, interface] = match (origin.own.map(at), origin.interface.map(at)) {
            (Some(own), Some(interface)) => rest.get_disjoint_mut([own, interface]).ok()?.map(Some),
            (own, interface) => {
                let is_own = own.is_some();
                let one = own.or(interface).and_then(|at| rest.get_mut(at));
                if is_own { [one, None] } else { [None, one] }
            }
        };
        Some(Charged {
            host: host.pair(),
            own: own.map(Account::pair),
            interface: interface.map(Account::pair),
            top: self.tops.entry(origin.party.top).or_default(),
            part: self.parts.entry(origin.party).or_default(),
        })
    }
}

impl Accounting {
    /// Empty accounting.
    #[must_use]
    pub fn new(mode: Mode, host: Limits) -> Self {
        let scopes =
            Scopes { accounts: vec![Account::new(&host)], tops: BTreeMap::new(), parts: BTreeMap::new() };
        Self { mode, scopes, attempts: BTreeMap::new(), begun: 0 }
    }

    /// Opens a scope beside the host's.
    pub fn open_scope(&mut self, limits: Limits) -> ScopeId {
        self.scopes.accounts.push(Account::new(&limits));
        ScopeId(self.scopes.accounts.len() - 1)
    }

    /// Sets a scope's limits for the next attempt that asks. An unknown scope changes nothing.
    pub fn set_limits(&mut self, scope: ScopeId, limits: Limits) {
        if let Some(account) = self.scopes.accounts.get_mut(scope.0) {
            account.limits = (&limits).into();
        }
    }

    /// Sets the mode for the next attempt that asks.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Drops scopes that are not open, and the second of two that are the same.
    fn known(&self, origin: Origin) -> Origin {
        let open =
            |id: Option<ScopeId>| id.filter(|&id| id != ScopeId::HOST && id.0 < self.scopes.accounts.len());
        let own = open(origin.own);
        Origin { own, interface: open(origin.interface).filter(|id| own != Some(*id)), ..origin }
    }

    /// Whether `connect()` fails at once: its account is blocked, a queue that it would have to join is full
    /// and its part has had its places there, or its part has cancelled too many waiting attempts. Counts the
    /// refusal. Asked before [`Accounting::begin`]: once the attempt has begun, no error can be returned.
    pub fn refuses(&mut self, now: u64, origin: Origin) -> Option<Refusal> {
        if self.mode != Mode::Enforce || origin.standing == Standing::NeverHold {
            return None;
        }
        let origin = self.known(origin);
        self.scopes.of(&origin)?.refuse(!origin.first || origin.named, now)
    }

    /// `connect()`: the attempt goes out at once if every charged scope has a free slot, credit for a first
    /// contact, and no waiter of equal or better rank; otherwise it is queued (under [`Mode::Audit`] only
    /// counted). Under [`Mode::Off`] it does not enter the accounting.
    pub fn begin(&mut self, now: u64, origin: Origin) -> (AttemptId, Verdict) {
        let id = AttemptId(self.begun);
        self.begun += 1;
        let origin = self.known(origin);
        let Some(mut charged) = self.scopes.of(&origin).filter(|_| self.mode != Mode::Off) else {
            return (id, Verdict::Go);
        };
        let mut native = native::Attempt::new(&origin);
        let verdict = charged.begin(&mut native, self.mode, now);
        let held_back = matches!(verdict, Verdict::Hold | Verdict::GoAudited);
        self.attempts.insert(id, Attempt { origin, native, held_back });
        (id, verdict)
    }

    /// A queued attempt's timer runs. The attempt goes out if every charged scope lets it, and always if the
    /// mode is not [`Mode::Enforce`] any more. Returns [`Verdict::Go`] for an attempt that does not wait.
    pub fn recheck(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Verdict::Go };
        match self.scopes.of(&attempt.origin) {
            Some(mut charged) if attempt.native.is_queued() => {
                charged.recheck(&mut attempt.native, self.mode, now)
            }
            _ => Verdict::Go,
        }
    }

    /// The address of a waiter has answered, or was tried, while it waited: the attempt costs nothing any
    /// more. Does nothing for an attempt that does not wait.
    pub fn knows(&mut self, now: u64, id: AttemptId) {
        if let Some(attempt) = self.attempts.get_mut(&id)
            && attempt.native.is_queued()
            && let Some(mut charged) = self.scopes.of(&attempt.origin)
        {
            charged.knows(&mut attempt.native, now);
        }
    }

    /// An attempt that is out wants to send its SYN again. Returns [`Verdict::Hold`] for one that waits, and
    /// [`Verdict::Go`] for one that is not in the accounting.
    pub fn resend(&mut self, now: u64, id: AttemptId) -> Verdict {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Verdict::Go };
        match self.scopes.of(&attempt.origin) {
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
        if let Some(mut attempt) = self.attempts.remove(&id)
            && let Some(mut charged) = self.scopes.of(&attempt.origin)
        {
            charged.end(&mut attempt.native, ending, neighbours, now);
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

    /// How many attempts this scope, and no other, holds back.
    #[must_use]
    pub fn waiting_at(&self, scope: ScopeId) -> usize {
        self.account(scope).map_or(0, |account| account.scope.waiting_here as usize)
    }

    /// The scope that last held this attempt back; `None` if none did.
    #[must_use]
    pub fn held_back_by(&self, attempt: AttemptId) -> Option<ScopeId> {
        let attempt = self.attempts.get(&attempt).filter(|attempt| attempt.held_back)?;
        match attempt.native.blocked_on() {
            Said::Host => Some(ScopeId::HOST),
            Said::Own => attempt.origin.own,
            Said::Interface => attempt.origin.interface,
        }
    }
}
