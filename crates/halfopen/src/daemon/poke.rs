//! Waking waiters when their turn comes (docs/decisions/0013). Only ever makes them faster: without it, or where it has
//! no effect, each asks by itself.

use super::hand::Hand;
use crate::control::Degradation;
use halfopen_kernel::{AccountId, Became, KernelError, Limiter, Poker, ScopeId, Told, Turn, Waiter};
use halfopen_policy::Limits;
use halfopen_policy::wake::{self, Ended, Lane, Reading, WaiterId, Wakes};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// For how long each second's promise holds that waiters are woken.
const PROMISE: Duration = Duration::from_secs(3);
/// The time of one packet, and how many may be sent at once.
const EACH: Duration = Duration::from_micros(100);
const AT_ONCE: u32 = 250;
/// After which some of those that were not allowed are.
const MORE: Duration = Duration::from_millis(5);
/// So many sends that fail in a row are taken for a lasting trouble.
const FAILURES: u32 = 32;
/// After which waking is tried again where it had no effect.
const PAUSE: Duration = Duration::from_mins(5);

/// Those who wait, and the means to wake them.
pub struct Pokes {
    wanted: bool,
    wakes: Wakes,
    poker: Poker,
    waiters: HashMap<WaiterId, Waiter>,
    /// Those of them that are first contacts, by address.
    strangers_to: HashMap<IpAddr, BTreeSet<WaiterId>>,
    /// Something was told since the last look.
    fresh: bool,
    /// What has been sent is paid for by then.
    paid_at: Duration,
    /// More were due than were allowed at once.
    more: bool,
    failures: u32,
    paused: Option<(Duration, Degradation)>,
}

impl Pokes {
    /// With nobody to wake yet; `wanted` as configured.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            wakes: Wakes::default(),
            poker: Poker::default(),
            waiters: HashMap::new(),
            strangers_to: HashMap::new(),
            fresh: false,
            paid_at: Duration::ZERO,
            more: false,
            failures: 0,
            paused: None,
        }
    }

    /// Why waiters are not woken though they should be.
    #[must_use]
    pub fn degradation(&self) -> Option<Degradation> {
        self.paused.map(|(_, why)| why)
    }

    fn is_on(&self) -> bool {
        self.wanted && self.paused.is_none()
    }

    /// Switches waking on or off, and takes note of those who wait already; keeps the promise to waiters while it is
    /// on. To be called each second.
    ///
    /// # Errors
    /// Where the walk over the attempts fails.
    pub fn tend(&mut self, limiter: &mut Limiter, wanted: bool, now: Duration) -> Result<(), KernelError> {
        let was_on = self.is_on();
        self.wanted = wanted;
        if self.paused.is_some_and(|(until, _)| now >= until) {
            self.paused = None;
        }
        if !self.is_on() {
            self.forget(limiter);
            return Ok(());
        }
        limiter.waiters_are_woken(now + PROMISE);
        self.poker.tidy(now);
        if !was_on {
            self.take_over(limiter)?;
        }
        Ok(())
    }

    /// Takes note of those who wait already, the oldest first.
    fn take_over(&mut self, limiter: &Limiter) -> Result<(), KernelError> {
        let mut live = limiter.attempts()?;
        live.sort_by_key(|attempt| std::cmp::Reverse(attempt.age));
        for attempt in &live {
            if let Some(waiter) = Waiter::of(attempt) {
                let (own, party) = (account(attempt.own), attempt.party);
                self.began(waiter, Lane { contact: attempt.contact, own, party });
            }
        }
        Ok(())
    }

    fn forget(&mut self, limiter: &mut Limiter) {
        if !self.waiters.is_empty() || self.fresh {
            limiter.waiters_are_woken(Duration::ZERO);
        }
        self.wakes = Wakes::default();
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

    /// Takes note of what the kernel part told.
    pub fn hear(&mut self, told: &Told) {
        if !self.is_on() {
            return;
        }
        match told {
            Told::Held(held) if held.audited => {}
            Told::Held(held) => {
                let waiter = Waiter { pid: held.program.pid, place: held.place, peer: held.destination };
                let (own, party) = (account(held.own), held.party);
                self.began(waiter, Lane { contact: held.contact, own, party });
            }
            Told::Suspect(_) => {}
            Told::Turn(turn) => self.hear_turn(turn),
        }
    }

    fn hear_turn(&mut self, turn: &Turn) {
        let Turn { cookie, own, peer, .. } = *turn;
        let (at, own) = (nanos(turn.at), account(own));
        self.fresh = true;
        match turn.became {
            Became::Asked => self.wakes.asked(at, cookie),
            Became::Left => self.wakes.left(cookie),
            Became::Out { released } => {
                self.wakes.went_out(at, cookie, own, released);
                // Who repeats it reaches nobody new.
                for waiter in self.strangers_to.remove(&peer).unwrap_or_default() {
                    self.wakes.known(waiter);
                }
            }
            Became::Ended { out_at, established, host_slot, own_slot } => {
                let how = Ended { out_at: nanos(out_at), established, host_slot, own_slot };
                self.wakes.ended(at, cookie, own, how);
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

    /// Nobody waits, by the books: whoever is still noted here has left unnoticed.
    pub fn nobody_waits(&mut self) {
        self.waiters.clear();
        self.strangers_to.clear();
        if !self.wakes.is_idle() {
            self.wakes.clear();
        }
    }

    /// When [`Pokes::wake`] should be called again; `None` while nobody waits.
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

    /// Wakes those whose turn comes; all where nothing is `enforced` any more.
    ///
    /// # Errors
    /// Where a scope's books cannot be read.
    pub fn wake(
        &mut self,
        limiter: &Limiter,
        hand: &mut Hand,
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
                limits = Limits { half_open: None, first_contact: None, ..limits };
            }
            let reading = match limiter.turns(AccountId { scope, id: id.id })? {
                Some(turns) => Reading {
                    at: nanos(turns.at),
                    limits,
                    in_use: u32::try_from(turns.in_use).unwrap_or(u32::MAX),
                    next_turn: nanos(turns.next_turn),
                    credit: limits.first_contact.map(|_| turns.credits),
                },
                None => Reading { at: nanos(now), limits, in_use: 0, next_turn: 0, credit: None },
            };
            self.wakes.read(id, reading);
        }
        self.paid_at = self.paid_at.max(now.saturating_sub(EACH * AT_ONCE));
        let most = (now.saturating_sub(self.paid_at).as_nanos() / EACH.as_nanos()) as usize;
        let due = self.wakes.due(nanos(now), most);
        self.more = due.len() == most;
        for waiter in due {
            self.paid_at += EACH;
            self.poke(hand, now, waiter);
        }
        if self.wakes.is_useless() {
            self.pause(now, Degradation::PokesWithoutEffect);
        }
        Ok(())
    }

    fn poke(&mut self, hand: &mut Hand, now: Duration, waiter: WaiterId) {
        let Some(waiter) = self.waiters.remove(&waiter) else { return };
        let mut open = |pid, netns: u32, family| hand.raw_socket(pid, netns.into(), family);
        match self.poker.wake(now, &waiter, &mut open) {
            Ok(()) => self.failures = 0,
            Err(e) => {
                self.failures += 1;
                tracing::debug!("waking an attempt to {}: {e}", waiter.peer);
                if self.failures >= FAILURES {
                    tracing::warn!("{FAILURES} waiting attempts in a row could not be woken: {e}");
                    self.pause(now, Degradation::PokesNotSent);
                }
            }
        }
    }

    fn pause(&mut self, now: Duration, why: Degradation) {
        self.failures = 0;
        self.paused = Some((now + PAUSE, why));
        tracing::warn!("waiting attempts are not woken for {PAUSE:?}: they ask by themselves ({why:?})");
    }
}

fn account(own: Option<AccountId>) -> wake::AccountId {
    own.map_or(wake::AccountId::HOST, |own| wake::AccountId { scope: own.scope.number(), id: own.id })
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
