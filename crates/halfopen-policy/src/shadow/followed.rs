//! What becomes of the attempts that the shadow follows.

use super::lanes::Lane;
use super::{Event, GAPS, SECOND, Shadow, Waited, step};
use crate::wake::AccountId;
use crate::{AttemptId, Ending, Origin, ScopeId, Verdict};

/// Where an attempt is in the shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits. What it came to in audit mode, and how long after its SYN, once that is known.
    Waits(Option<(u64, Ending)>),
    /// Its SYN is out, since then.
    Out(u64),
    /// Likewise, and it is known what it comes to.
    Answers(u64, Ending),
}

#[derive(Debug)]
pub(super) struct Followed {
    pub id: AttemptId,
    pub account: AccountId,
    pub origin: Origin,
    pub cookie: u64,
    pub began: u64,
    pub state: State,
}

impl Followed {
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Waits(_))
    }
}

impl Shadow {
    /// An attempt that is out ends.
    pub(super) fn end(&mut self, now: u64, ticket: u64, ending: Ending) {
        let Some(attempt) = self.attempts.remove(&ticket) else { return };
        self.forget_cookie(&attempt, ticket);
        if let Some(accounting) = &mut self.accounting {
            accounting.end(now, attempt.id, ending, 0);
        }
        self.look(now);
    }

    /// A waiter ends. It has held nothing that another waits for.
    pub(super) fn leave(&mut self, now: u64, ticket: u64) {
        let Some(attempt) = self.attempts.remove(&ticket) else { return };
        self.forget_cookie(&attempt, ticket);
        self.lanes.left(ticket, attempt.account, &attempt.origin);
        if let Some(accounting) = &mut self.accounting {
            accounting.end(now, attempt.id, Ending::TimedOut, 0);
        }
    }

    fn forget_cookie(&mut self, attempt: &Followed, ticket: u64) {
        if self.by_cookie.get(&attempt.cookie) == Some(&ticket) {
            self.by_cookie.remove(&attempt.cookie);
        }
    }

    /// Its socket begins another attempt: the end of this one was not told.
    pub(super) fn leave_by_cookie(&mut self, now: u64, cookie: u64) {
        let Some(ticket) = self.by_cookie.get(&cookie).copied() else { return };
        match self.attempts.get(&ticket).map(Followed::waits) {
            Some(true) => self.leave(now, ticket),
            _ => self.end(now, ticket, Ending::Cancelled),
        }
    }

    pub(super) fn resend(&mut self, now: u64, ticket: u64, number: usize) {
        let (Some(attempt), Some(accounting)) = (self.attempts.get(&ticket), &mut self.accounting) else {
            return;
        };
        if attempt.waits() {
            return;
        }
        accounting.resend(now, attempt.id);
        let next = (number + 1).min(GAPS.len() - 1);
        self.plan(now + GAPS[next] * SECOND, Event::Resend(ticket, next));
    }

    /// Lets those out whose turn it is, and plans the next look.
    pub(super) fn look(&mut self, now: u64) {
        if self.lanes.waiting() == 0 {
            self.look_at = None;
            return;
        }
        let mut recovers = None;
        for lane in self.lanes.round() {
            let credit_at = self.look_at_lane(now, lane);
            recovers = recovers.into_iter().chain(credit_at).min();
        }
        if self.lanes.waiting() == 0 {
            self.look_at = None;
            return;
        }
        let pause = self.scopes.values().map(|(_, limits)| step(limits)).min().unwrap_or(SECOND);
        let next = recovers.map_or(now + pause, |at| at.clamp(now + 1, now + pause));
        if self.look_at.is_none_or(|planned| planned <= now || next < planned) {
            self.look_at = Some(next);
            self.plan(next, Event::Look);
        }
    }

    /// Lets those of one lane out whose turn it is. Returns when the next credit comes, if one is lacking.
    fn look_at_lane(&mut self, now: u64, lane: Lane) -> Option<u64> {
        loop {
            let origin = self.attempts.get(&self.lanes.next(lane, false)?)?.origin;
            let mut newest = false;
            if origin.first {
                for scope in [Some(ScopeId::HOST), origin.own, origin.interface].into_iter().flatten() {
                    let accounting = self.accounting.as_ref()?;
                    let Some(offer) = accounting.offer(scope, origin.bucket(), now) else { continue };
                    newest |= offer.newest_first;
                    if offer.credit == 0 {
                        return offer.recovers_at;
                    }
                }
            }
            if !self.ask(now, self.lanes.next(lane, newest)?) {
                return None;
            }
        }
    }

    /// A waiter asks. Returns whether it goes out.
    fn ask(&mut self, now: u64, ticket: u64) -> bool {
        let (Some(attempt), Some(accounting)) = (self.attempts.get_mut(&ticket), &mut self.accounting) else {
            return false;
        };
        let State::Waits(came_to) = attempt.state else { return false };
        if accounting.recheck(now, attempt.id) != Verdict::Go {
            return false;
        }
        let (account, wait) = (attempt.account, now.saturating_sub(attempt.began));
        attempt.state = came_to.map_or(State::Out(now), |(_, ending)| State::Answers(now, ending));
        let address = attempt.origin.address;
        self.lanes.left(ticket, attempt.account, &attempt.origin);
        self.waits.push(Waited { account, wait });
        if let Some((after, _)) = came_to {
            self.plan(now + after, Event::Outcome(ticket));
        }
        self.plan(now + GAPS[0] * SECOND, Event::Resend(ticket, 0));
        // Those that wait for the same address are no first contacts any more.
        for other in self.lanes.take_to_address(address) {
            let (Some(attempt), Some(accounting)) = (self.attempts.get_mut(&other), &mut self.accounting)
            else {
                continue;
            };
            accounting.knows(now, attempt.id);
            self.lanes.left(other, attempt.account, &attempt.origin);
            attempt.origin.first = false;
            self.lanes.join(other, attempt.account, &attempt.origin);
        }
        true
    }
}
