//! What enforcing would do, beside audit mode: how long each attempt would have waited that went out at once.
//!
//! The same policy runs a second time, enforced, on a clock that follows the first one. What was seen of an attempt
//! happens the same time after its SYN as it did: if the shadow holds the SYN back for two seconds, its answer comes two
//! seconds later ([decision 0073](../../../../docs/internals/decisions/0073-audit-learns.md)).

mod followed;
mod lanes;

use crate::kernel_form::nanos;
use crate::wake::AccountId;
use crate::{
    Accounting, AttemptId, Contact, CreditBucket, Ending, Limits, Mode, Origin, Party, ScopeId, Standing,
};
use followed::{Followed, State};
use lanes::Lanes;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// For how long the kernel part tells of every beginning and end after an attempt that it would have held, in
/// nanoseconds.
pub const LEARNED_NS: u64 = crate::abi::LEARNED_NS as u64;

/// How many attempts are followed at once. Others are only counted.
const FOLLOWED: usize = 20_000;
/// How many accounts have a shadow. A scope of the accounting takes 5 KB.
const ACCOUNTS: usize = 500;
/// How many attempts are made up to stand for those that began unseen.
const MADE_UP: usize = 20_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// The pauses between the SYNs of an attempt, in seconds; the last one is repeated. Linux 6.5 and later sends the first
/// ones a second apart.
const GAPS: [u64; 8] = [1, 1, 1, 1, 1, 2, 4, 8];
/// How long `connect()` lasts with the system's own settings, if no `max_wait` is set.
const PATIENCE_NS: u64 = 131 * SECOND;

/// An attempt that began in audit mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// When, in nanoseconds of the kernel's monotonic clock.
    pub at: u64,
    /// Its socket's cookie.
    pub cookie: u64,
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// The number of its interface's scope.
    pub interface: Option<u32>,
    /// Its party in the round of the host's turns.
    pub party: Party,
    /// The kind of its address.
    pub contact: Contact,
    /// A hash of its address.
    pub address: u64,
    /// Its destination port.
    pub port: u16,
    /// Whether the limit applies to it.
    pub standing: Standing,
    /// The number of the scope that would have held it, if audit mode says that one would, by a limit that is followed.
    pub held_by: Option<u32>,
}

/// An attempt that would have waited, and would have gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// Its account; [`AccountId::HOST`] if it has none.
    pub account: AccountId,
    /// How long it would have waited, in nanoseconds.
    pub wait: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Look,
    Resend(u64, usize),
    Outcome(u64),
    GivesUp(u64),
    MadeUpEnds(AccountId),
}

/// The shadow. Bounded in memory, whatever programs do.
#[derive(Debug, Default)]
pub struct Shadow {
    accounting: Option<Accounting>,
    /// The scopes that are open, by what they stand for.
    scopes: HashMap<AccountId, (ScopeId, Limits)>,
    attempts: HashMap<u64, Followed>,
    by_cookie: HashMap<u64, u64>,
    lanes: Lanes,
    /// Those that stand for attempts which began unseen, by the account in which they hold something.
    made_up: HashMap<AccountId, VecDeque<AttemptId>>,
    /// The limits that are known to have been reached when the shadow began.
    reached: HashSet<(AccountId, Contact)>,
    timeline: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    told_until: u64,
    look_at: Option<u64>,
    waits: Vec<Waited>,
    gave_up: u64,
    refused: u64,
    not_followed: u64,
}

/// The limits in force of the scope with this number; `None` for one that has ended.
pub type LimitsOf<'a> = &'a dyn Fn(u32) -> Option<Limits>;

impl Shadow {
    /// An attempt began.
    pub fn began(&mut self, begun: &Begun, limits: LimitsOf<'_>) {
        self.advance(begun.at);
        if begun.at >= self.told_until {
            self.forget();
        }
        if begun.held_by.is_some() {
            self.told_until = begun.at + LEARNED_NS;
        } else if self.accounting.is_none() {
            return;
        }
        if self.attempts.len() >= FOLLOWED {
            self.not_followed += u64::from(begun.held_by.is_some());
            return;
        }
        self.leave_by_cookie(begun.at, begun.cookie);
        let Some(origin) = self.origin(begun, limits) else {
            self.not_followed += u64::from(begun.held_by.is_some());
            return;
        };
        self.make_up(begun, &origin);
        let Some(accounting) = &mut self.accounting else { return };
        if accounting.refuses(begun.at, origin).is_some() {
            self.refused += 1;
            return;
        }
        let (id, verdict) = accounting.begin(begun.at, origin);
        let ticket = self.next_number();
        let account = begun.own.unwrap_or(AccountId::HOST);
        let held = verdict == crate::Verdict::Hold;
        let state = if held { State::Waits(None) } else { State::Out(begun.at) };
        self.attempts
            .insert(ticket, Followed { id, account, origin, cookie: begun.cookie, began: begun.at, state });
        self.by_cookie.insert(begun.cookie, ticket);
        if held {
            self.lanes.join(ticket, account, &origin);
            self.plan(begun.at + self.patience(&origin), Event::GivesUp(ticket));
            self.look(begun.at);
        } else {
            self.plan(begun.at + GAPS[0] * SECOND, Event::Resend(ticket, 0));
        }
    }

    /// An attempt that went out at `out_at` has ended (both in nanoseconds of the kernel's monotonic clock).
    pub fn ended(&mut self, at: u64, cookie: u64, own: Option<AccountId>, out_at: u64, established: bool) {
        self.advance(at);
        let after = at.saturating_sub(out_at);
        let ending = match established {
            true => Ending::Established,
            // What is turned down is so within a round trip; nobody told which of the others was closed.
            false if after < SECOND => Ending::Other,
            false => Ending::Cancelled,
        };
        let Some(ticket) = self.by_cookie.get(&cookie).copied() else {
            self.end_made_up(at, own, ending);
            return;
        };
        let Some(attempt) = self.attempts.get_mut(&ticket) else { return };
        match attempt.state {
            State::Out(since) if since + after <= at => self.end(at, ticket, ending),
            State::Out(since) => {
                attempt.state = State::Answers(since, ending);
                self.plan(since + after, Event::Outcome(ticket));
            }
            // Its program has not waited longer than this.
            State::Waits(_) if ending == Ending::Cancelled => self.leave(at, ticket),
            State::Waits(_) => attempt.state = State::Waits(Some((after, ending))),
            State::Answers(..) => {}
        }
    }

    /// Lets happen what happens until then.
    pub fn advance(&mut self, until: u64) {
        while let Some(Reverse((at, _, event))) =
            self.timeline.peek().copied().filter(|next| next.0.0 <= until)
        {
            self.timeline.pop();
            match event {
                Event::Look if self.look_at == Some(at) => self.look(at),
                Event::Look => {}
                Event::Resend(ticket, number) => self.resend(at, ticket, number),
                Event::Outcome(ticket) => {
                    if let Some(State::Answers(_, ending)) =
                        self.attempts.get(&ticket).map(|found| found.state)
                    {
                        self.end(at, ticket, ending);
                    }
                }
                Event::GivesUp(ticket) => {
                    if self.attempts.get(&ticket).is_some_and(Followed::waits) {
                        self.gave_up += 1;
                        self.leave(at, ticket);
                    }
                }
                Event::MadeUpEnds(account) => self.pop_made_up(at, account, Ending::Neutral),
            }
        }
    }

    /// Call this every second. Begins anew if limits have changed. Returns until when the kernel part has to go on telling
    /// of every attempt, in nanoseconds of its clock.
    pub fn tend(&mut self, now: u64, limits: LimitsOf<'_>) -> Option<u64> {
        self.advance(now);
        let changed =
            |(id, (_, kept)): (&AccountId, &(ScopeId, Limits))| limits(id.scope).map(followed) != Some(*kept);
        if now >= self.told_until || self.scopes.iter().any(changed) {
            self.forget();
        }
        if self.lanes.waiting() == 0 {
            return None;
        }
        self.told_until = now + LEARNED_NS;
        Some(self.told_until)
    }

    /// Forgets all attempts, because not all of what became of them was told.
    pub fn forget(&mut self) {
        if self.accounting.is_some() {
            let Self { number, gave_up, refused, not_followed, .. } = *self;
            let waits = std::mem::take(&mut self.waits);
            *self = Self { number, waits, gave_up, refused, not_followed, ..Self::default() };
        }
    }

    /// Takes what has been learned since this was last called.
    pub fn take(&mut self) -> Vec<Waited> {
        std::mem::take(&mut self.waits)
    }

    /// How many attempts would have given up while they waited, since the shadow was made.
    #[must_use]
    pub fn gave_up(&self) -> u64 {
        self.gave_up
    }

    /// How many attempts would have been refused, because the queue was full, since the shadow was made.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many attempts would have waited nobody knows how long: too many were followed.
    #[must_use]
    pub fn not_followed(&self) -> u64 {
        self.not_followed
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn plan(&mut self, at: u64, event: Event) {
        let number = self.next_number();
        self.timeline.push(Reverse((at, number, event)));
    }

    fn patience(&self, origin: &Origin) -> u64 {
        let charged = [Some(ScopeId::HOST), origin.own, origin.interface];
        let limits = self.scopes.values().filter(|(id, _)| charged.contains(&Some(*id)));
        limits.filter_map(|(_, limits)| limits.max_wait).map(nanos).min().unwrap_or(PATIENCE_NS)
    }

    /// What the attempt is charged to, in scopes that are opened where needed; `None` if there are too many.
    fn origin(&mut self, begun: &Begun, limits: LimitsOf<'_>) -> Option<Origin> {
        if self.accounting.is_none() {
            let host = followed(limits(0)?);
            self.accounting = Some(Accounting::new(Mode::Enforce, host));
            self.scopes.insert(AccountId::HOST, (ScopeId::HOST, host));
        }
        let own = match begun.own {
            Some(own) => Some(self.scope(own, limits)?),
            None => None,
        };
        let interface = match begun.interface {
            Some(scope) => Some(self.scope(AccountId { scope, id: 0 }, limits)?),
            None => None,
        };
        // The shadow has not yet reached an address to which another attempt waits.
        let same = self.lanes.to_address(begun.address).and_then(|ticket| self.attempts.get(&ticket));
        let bucket = match begun.contact {
            Contact::First(bucket) => Some(bucket),
            Contact::Known => same.map(|same| same.origin.bucket()),
        };
        Some(Origin {
            standing: begun.standing,
            own,
            interface,
            party: begun.party,
            first: bucket.is_some(),
            tried: false,
            named: bucket == Some(CreditBucket::Named),
            foreign: bucket == Some(CreditBucket::Foreign),
            address: begun.address,
            port: begun.port,
        })
    }

    fn scope(&mut self, account: AccountId, limits: LimitsOf<'_>) -> Option<ScopeId> {
        if let Some((id, _)) = self.scopes.get(&account) {
            return Some(*id);
        }
        let accounting = self.accounting.as_mut().filter(|_| self.scopes.len() < ACCOUNTS)?;
        let limits = followed(limits(account.scope)?);
        let id = accounting.open_scope(limits);
        self.scopes.insert(account, (id, limits));
        Some(id)
    }

    /// When audit mode first says that a limit is reached, the attempts that reached it began unseen: makes up others in
    /// their place, as many as it takes.
    fn make_up(&mut self, begun: &Begun, origin: &Origin) {
        let Some(by) = begun.held_by else { return };
        let account = match begun.own {
            Some(own) if own.scope == by => own,
            _ => AccountId { scope: by, id: 0 },
        };
        let Some((_, limits)) = self.scopes.get(&account).copied() else { return };
        if !self.reached.insert((account, begun.contact)) {
            return;
        }
        let is_own = begun.own == Some(account);
        let other = Origin {
            own: origin.own.filter(|_| is_own),
            interface: origin.interface.filter(|_| !is_own && begun.interface == Some(by)),
            party: if is_own { origin.party } else { Party::default() },
            first: origin.first && limits.first_contact.is_some(),
            ..*origin
        };
        let ends = begun.at + nanos(limits.slot_life);
        for number in 0..MADE_UP {
            let Some(accounting) = &mut self.accounting else { return };
            let (id, verdict) = accounting.begin(begun.at, Origin { address: !(number as u64), ..other });
            if verdict == crate::Verdict::Hold {
                accounting.end(begun.at, id, Ending::Neutral, 0);
                return;
            }
            self.made_up.entry(account).or_default().push_back(id);
            self.plan(ends, Event::MadeUpEnds(account));
        }
    }

    fn end_made_up(&mut self, at: u64, own: Option<AccountId>, ending: Ending) {
        let theirs = own.filter(|own| self.made_up.get(own).is_some_and(|made_up| !made_up.is_empty()));
        self.pop_made_up(at, theirs.unwrap_or(AccountId::HOST), ending);
    }

    fn pop_made_up(&mut self, at: u64, account: AccountId, ending: Ending) {
        let id = self.made_up.get_mut(&account).and_then(VecDeque::pop_front);
        if let (Some(id), Some(accounting)) = (id, &mut self.accounting) {
            accounting.end(at, id, ending, 0);
            self.look(at);
        }
    }
}

/// The limits without those whose ends are not told: on open connections, and to one destination.
fn followed(limits: Limits) -> Limits {
    let rate = limits.connections.rate;
    Limits { connections: crate::Connections { rate, ..crate::Connections::default() }, ..limits }
}

/// How long between two looks at those that wait, in nanoseconds: a turn is found so much too late at the most.
fn step(limits: &Limits) -> u64 {
    let drain = limits.drain.map(crate::Rate::interval_ns);
    let connect = limits.connections.rate.map(|of| of.rate.interval_ns());
    let fastest = drain.into_iter().chain(connect).min().unwrap_or(u64::MAX);
    Duration::from_nanos(fastest / 4).clamp(Duration::from_millis(5), Duration::from_millis(100)).as_nanos()
        as u64
}
