//! What audit mode learns: how long attempts would have waited that it lets out at once ([`Shadow`]).

use super::chronicle::waits::Waits;
use super::enforcement::{Enforcement, ExecScope};
use super::rule_scope::RuleScope;
use crate::control::LearnedWaits;
use halfopen_bpf::{AccountId, Became, HeldAttempt, Histogram, RingEvent, ScopeId, WaitsFor, monotonic};
use halfopen_policy::kernel_form::nanos;
use halfopen_policy::shadow::{Begun, Shadow};
use halfopen_policy::{Limits, Mode, Standing, wake};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The waits that were learned, and the shadow that learns them.
#[derive(Debug, Default)]
pub(super) struct Learning {
    shadow: Shadow,
    hasher: RandomState,
    waits: Waits,
    histogram: Histogram,
    longest: Duration,
    count: u64,
    not_followed: u64,
}

/// The limits in force by the number of their scope.
pub(super) fn limits_of<'a>(
    host: Limits,
    execs: &'a [ExecScope],
    rules: &'a [RuleScope],
) -> impl Fn(u32) -> Option<Limits> + Copy + use<'a> {
    move |number| {
        if number == ScopeId::HOST.number() {
            return Some(host);
        }
        let execs = execs.iter().map(|exec| (exec.id, exec.limits));
        let mut all = execs.chain(rules.iter().map(|scope| (scope.id, scope.limits)));
        all.find(|(id, _)| id.number() == number).map(|(_, limits)| limits)
    }
}

fn account(own: Option<AccountId>) -> Option<wake::AccountId> {
    own.map(|own| wake::AccountId { scope: own.scope.number(), id: own.id })
}

impl Learning {
    /// Notes an event of the kernel part. Returns whether an attempt would have waited.
    pub fn hear(&mut self, told: &RingEvent, limits: &dyn Fn(u32) -> Option<Limits>) {
        match told {
            RingEvent::Held(held) if held.audited => {
                let held_by = Self::held_by(held, limits);
                self.not_followed += u64::from(held_by.is_none());
                self.shadow.began(&self.begun(held, held_by), limits);
            }
            RingEvent::Began(began) => self.shadow.began(&self.begun(began, None), limits),
            RingEvent::Turn(turn) => {
                if let Became::Ended { out_at, established, .. } = turn.became {
                    let own = account(turn.own);
                    self.shadow.ended(nanos(turn.at), turn.cookie, own, nanos(out_at), established);
                }
            }
            RingEvent::Held(_) | RingEvent::Suspect(_) => {}
        }
    }

    /// The scope that would hold the attempt; `None` if a limit would whose relief nobody tells.
    fn held_by(held: &HeldAttempt, limits: &dyn Fn(u32) -> Option<Limits>) -> Option<u32> {
        let scope = held.scope.number();
        match held.waits_for {
            WaitsFor::Slot => Some(scope),
            WaitsFor::Connection => {
                limits(scope).filter(|of| of.connections.established.is_none()).map(|_| scope)
            }
            WaitsFor::Destination => None,
        }
    }

    fn begun(&self, attempt: &HeldAttempt, held_by: Option<u32>) -> Begun {
        Begun {
            at: nanos(attempt.at),
            cookie: attempt.place.cookie,
            own: account(attempt.own),
            interface: attempt.interface.map(ScopeId::number),
            party: attempt.party,
            contact: attempt.contact,
            // Zero stands for no address.
            address: self.hasher.hash_one(attempt.destination.ip()) | 1,
            port: attempt.destination.port(),
            standing: if attempt.audited { Standing::Bound } else { Standing::NeverHold },
            held_by,
        }
    }

    fn note(&mut self, wait: Duration) {
        self.waits.note(wait);
        self.histogram.add(wait);
        self.longest = self.longest.max(wait);
        self.count += 1;
    }

    /// How long attempts would have waited, by length.
    pub fn histogram(&self) -> Histogram {
        self.histogram.clone()
    }

    /// What has been learned since the daemon began; `None` if nothing has.
    pub fn told(&self) -> Option<LearnedWaits> {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.waits.percentile(percent));
        let found = LearnedWaits {
            would_have_gone_out: self.count,
            p50_ms: p50,
            p90_ms: p90,
            p99_ms: p99,
            longest_ms: self.longest.as_millis() as u64,
            would_have_given_up: self.shadow.gave_up(),
            would_have_been_refused: self.shadow.refused(),
            not_known: self.not_followed + self.shadow.not_followed(),
        };
        (found != LearnedWaits::default()).then_some(found)
    }
}

impl Enforcement {
    /// Lets the shadow go on. Call this every second.
    pub(super) fn learn(&mut self) {
        let rules = self.rule_scopes();
        let limits = limits_of(self.host_limits(), &self.scopes, &rules);
        let audits = self.mode_now() == Mode::Audit;
        let learning = &mut self.learning;
        if audits {
            if let Some(until) = learning.shadow.tend(nanos(monotonic()), &limits) {
                self.limiter.learns(Duration::from_nanos(until));
            }
        } else {
            learning.shadow.forget();
        }
        for waited in learning.shadow.take() {
            let wait = Duration::from_nanos(waited.wait);
            learning.note(wait);
            let wake::AccountId { scope, id } = waited.account;
            let account = AccountId { scope: ScopeId::numbered(scope), id };
            self.chronicle.minutes.would_have_waited(account, wait);
        }
    }
}
