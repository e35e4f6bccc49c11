//! Wakes waiters when their turn comes (docs/internals/decisions/0013). This only ever makes them faster: without
//! wakeups, or if they have no effect (docs/internals/decisions/0032), each waiter asks by itself.

use crate::control::{Degradation, DegradedStatus};
use crate::privileged::Helper;
use crate::rate_limit::RateLimit;
use halfopen_bpf::{
    AccountId, Became, KernelError, Limiter, RingEvent, ScopeId, Turn, Waiter, WaitsFor, WakeupSender,
};
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::wake::{self, Ended, Lane, Lost, Reading, WaiterId, Wakes};
use halfopen_policy::{Connections, Limits};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// How long the promise that waiters are woken holds. It is renewed every second.
const PROMISE: Duration = Duration::from_secs(3);
/// The time budget of one packet, and how many packets may be sent at once.
const EACH: Duration = Duration::from_micros(100);
const AT_ONCE: u32 = 250;
/// The pause before packets beyond that budget are sent.
const MORE: Duration = Duration::from_millis(5);

/// Why nobody is woken although wakeups are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The privileged helper, which makes the raw sockets, is gone.
    NoHelper,
    /// The wakeups of all present waiters are lost. The pause lasts until this time, or until others wait.
    Useless { until: Duration },
}

/// The waiters, and the means to wake them.
pub struct Wakeups {
    wanted: bool,
    wakes: Wakes,
    sender: WakeupSender,
    waiters: HashMap<WaiterId, Waiter>,
    /// The waiters that are first contacts, by address.
    strangers_to: HashMap<IpAddr, BTreeSet<WaiterId>>,
    /// Whether events have come since the last look.
    fresh: bool,
    /// The time up to which the packets already sent use up the budget.
    paid_at: Duration,
    /// Whether more packets were due than were allowed at once.
    more: bool,
    paused: Option<Pause>,
    /// How many parties' wakeups were lost when that was last logged.
    said: usize,
    limit: RateLimit<()>,
}

impl Wakeups {
    /// Starts without waiters. `wanted` is the configured value.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            wakes: Wakes::default(),
            sender: WakeupSender::default(),
            waiters: HashMap::new(),
            strangers_to: HashMap::new(),
            fresh: false,
            paid_at: Duration::ZERO,
            more: false,
            paused: None,
            said: 0,
            limit: RateLimit::default(),
        }
    }

    /// Why and where waiters are not woken although they should be.
    pub fn degradations(&self) -> impl Iterator<Item = DegradedStatus> {
        let no_helper = self.paused == Some(Pause::NoHelper);
        let found = |reason, lost: &Lost| {
            (self.wanted && lost.parties > 0).then(|| DegradedStatus::where_wakes_are_lost(reason, lost))
        };
        let unsendable = if no_helper {
            Some(Degradation::WakeupsNotSent.into())
        } else {
            found(Degradation::WakeupsNotSent, &self.wakes.unsendable())
        };
        unsendable.into_iter().chain(found(Degradation::WakeupsWithoutEffect, &self.wakes.lost()))
    }

    fn is_on(&self) -> bool {
        self.wanted && self.paused.is_none()
    }

    /// Switches wakeups on or off, and notes the present waiters. Renews the promise to waiters while wakeups are on.
    /// Call this every second.
    ///
    /// # Errors
    /// If the walk over the attempts fails.
    pub fn tend(
        &mut self,
        limiter: &mut Limiter,
        helper_is_there: bool,
        wanted: bool,
        now: Duration,
    ) -> Result<(), KernelError> {
        let was_on = self.is_on();
        self.wanted = wanted;
        self.wakes.expire(nanos(now));
        self.paused = self.pause(helper_is_there, now);
        self.say(now);
        if !self.is_on() {
            self.forget(limiter);
            return Ok(());
        }
        limiter.waiters_are_woken(now + PROMISE);
        self.sender.tidy(now);
        if !was_on {
            self.take_over(limiter)?;
        }
        Ok(())
    }

    fn pause(&self, helper_is_there: bool, now: Duration) -> Option<Pause> {
        if !helper_is_there {
            return Some(Pause::NoHelper);
        }
        let still = self.paused.filter(|pause| matches!(pause, Pause::Useless { until } if now < *until));
        let rest = || self.wakes.rest_until(nanos(now)).map(Duration::from_nanos);
        still.or_else(|| rest().map(|until| Pause::Useless { until }))
    }

    /// Logs lost wakeups at most once a minute: more may be lost every second.
    fn say(&mut self, now: Duration) {
        let lost = self.wakes.lost().parties + self.wakes.unsendable().parties;
        if lost == self.said || self.limit.take(now, ()).is_none() {
            return;
        }
        self.said = lost;
        for found in self.degradations() {
            tracing::warn!("{}", found.explanation);
        }
    }

    /// Notes the present waiters, the oldest first.
    fn take_over(&mut self, limiter: &Limiter) -> Result<(), KernelError> {
        let mut live = limiter.attempts()?;
        live.retain(|attempt| attempt.waits_for != WaitsFor::Destination);
        live.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        for attempt in &live {
            if let Some(waiter) = Waiter::of(attempt) {
                let (own, party, netns) = (account(attempt.own), attempt.party, waiter.place.netns);
                self.began(waiter, Lane { contact: attempt.contact, own, party, netns });
            }
        }
        Ok(())
    }

    fn forget(&mut self, limiter: &mut Limiter) {
        limiter.waiters_are_woken(Duration::ZERO);
        self.wakes.clear();
        self.waiters.clear();
        self.strangers_to.clear();
        self.fresh = false;
    }

    fn began(&mut self, waiter: Waiter, lane: Lane) {
        self.wakes.began(waiter.place.cookie, lane);
        if lane.contact.is_first() {
            self.strangers_to.entry(waiter.peer.ip()).or_default().insert(waiter.place.cookie);
        }
        self.waiters.insert(waiter.place.cookie, waiter);
        self.fresh = true;
    }

    /// Notes an event of the kernel part.
    pub fn hear(&mut self, told: &RingEvent) {
        match told {
            // Nobody tells how many others wait for the same destination: such a waiter asks by itself.
            RingEvent::Held(held) if held.audited || held.waits_for == WaitsFor::Destination => {}
            RingEvent::Held(held) => {
                let waiter = Waiter { pid: held.program.pid, place: held.place, peer: held.destination };
                let (own, party, netns) = (account(held.own), held.party, held.place.netns);
                let lane = Lane { contact: held.contact, own, party, netns };
                if self.is_on() {
                    self.began(waiter, lane);
                } else if !self.wakes.would_rest(nanos(held.at), &lane) {
                    self.end_pause();
                }
            }
            RingEvent::Turn(turn) if self.is_on() => self.hear_turn(turn),
            RingEvent::Suspect(_) | RingEvent::Began(_) | RingEvent::Turn(_) => {}
        }
    }

    /// Ends the pause: the next second notes all waiters. Called when a waiter comes that may be woken, or when nobody
    /// waits.
    fn end_pause(&mut self) {
        if let Some(Pause::Useless { until }) = &mut self.paused {
            *until = Duration::ZERO;
        }
    }

    fn hear_turn(&mut self, turn: &Turn) {
        let Turn { cookie, own, peer, .. } = *turn;
        let (at, own) = (nanos(turn.at), account(own));
        self.fresh = true;
        match turn.became {
            Became::Asked => self.wakes.asked(at, cookie),
            Became::Left => self.wakes.left(at, cookie),
            Became::Out { released } => {
                self.wakes.went_out(at, cookie, own, released);
                // Another attempt to the same address is no longer a first contact.
                for waiter in self.strangers_to.remove(&peer).unwrap_or_default() {
                    self.wakes.known(waiter);
                }
            }
            Became::Ended { out_at, established, host_slot, own_slot } => {
                let how = Ended { out_at: nanos(out_at), established, host_slot, own_slot };
                self.wakes.ended(at, cookie, own, how);
                return;
            }
            Became::Closed => {
                self.wakes.closed(at, own);
                return;
            }
        }
        self.waiters.remove(&cookie);
        if let Entry::Occupied(mut same) = self.strangers_to.entry(peer) {
            same.get_mut().remove(&cookie);
            if same.get().is_empty() {
                same.remove();
            }
        }
    }

    /// Forgets all waiters, because the accounting says that nobody waits: those still noted here have left unnoticed.
    pub fn nobody_waits(&mut self) {
        self.end_pause();
        self.waiters.clear();
        self.strangers_to.clear();
        if !self.wakes.is_idle() {
            self.wakes.clear();
        }
    }

    /// When to call [`Wakeups::wake`] again; `None` while nobody waits.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        if !self.is_on() || self.wakes.is_idle() {
            return None;
        }
        if self.fresh {
            return Some(now);
        }
        let more = self.more.then(|| now + MORE);
        self.wakes.next(nanos(now)).map(Duration::from_nanos).into_iter().chain(more).min()
    }

    /// Wakes the waiters whose turn has come, or all of them if nothing is `enforced` any more.
    ///
    /// # Errors
    /// If the accounting of a scope cannot be read.
    pub fn wake(
        &mut self,
        limiter: &Limiter,
        helper: &mut Helper,
        now: Duration,
        enforced: bool,
    ) -> Result<(), KernelError> {
        self.fresh = false;
        if !self.is_on() || self.wakes.is_idle() {
            return Ok(());
        }
        for id in self.wakes.unread(nanos(now)) {
            let scope = ScopeId::numbered(id.scope);
            let Some(mut limits) = limiter.limits(scope) else { continue };
            if !enforced {
                let connections = Connections::default();
                limits = Limits { half_open: None, first_contact: None, connections, ..limits };
            }
            let reading = match limiter.turns(AccountId { scope, id: id.id })? {
                Some(turns) => Reading {
                    at: nanos(turns.at),
                    limits,
                    in_use: u32::try_from(turns.in_use).unwrap_or(u32::MAX),
                    next_turn: nanos(turns.next_turn),
                    open: u32::try_from(turns.open).unwrap_or(u32::MAX),
                    next_connection: nanos(turns.next_connection),
                    credit: limits.first_contact.map(|_| turns.credits),
                },
                None => Reading {
                    at: nanos(now),
                    limits,
                    in_use: 0,
                    next_turn: 0,
                    open: 0,
                    next_connection: 0,
                    credit: None,
                },
            };
            self.wakes.read(id, reading);
        }
        self.paid_at = self.paid_at.max(now.saturating_sub(EACH * AT_ONCE));
        let most = (now.saturating_sub(self.paid_at).as_nanos() / EACH.as_nanos()) as usize;
        let due = self.wakes.due(nanos(now), most);
        self.more = due.len() == most;
        for waiter in due {
            self.paid_at += EACH;
            self.wakeups(helper, now, waiter);
        }
        Ok(())
    }

    fn wakeups(&mut self, helper: &mut Helper, now: Duration, id: WaiterId) {
        let Some(waiter) = self.waiters.remove(&id) else { return };
        let mut open = |pid, netns: u32, family| helper.raw_socket(pid, netns.into(), family);
        let Err(e) = self.sender.wake(now, &waiter, &mut open) else { return };
        tracing::debug!("cannot wake an attempt to {}: {e}", waiter.peer);
        if helper.is_there() {
            self.wakes.not_sent(nanos(now), id);
            // The turn passes to another waiter at once.
            self.fresh = true;
        } else {
            self.paused = Some(Pause::NoHelper);
        }
    }
}

fn account(own: Option<AccountId>) -> wake::AccountId {
    own.map_or(wake::AccountId::HOST, |own| wake::AccountId { scope: own.scope.number(), id: own.id })
}
