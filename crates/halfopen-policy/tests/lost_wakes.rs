//! Wakes that are lost on their way cost the attempts there their wakes, and nobody else his: on a virtual clock.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::wake::{AccountId, Ended, Lane, Reading, WaiterId, Wakes};
use halfopen_policy::{Limits, Party, timers};
use std::collections::{BTreeMap, BTreeSet};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// From one look at what is due to the next.
const LOOK: u64 = 4 * MS;
/// From a wake to its effect.
const EFFECT: u64 = 12 * MS;
/// What a wake that is lost costs the turn that it was for.
const LOST: u64 = 60 * MS;
/// As long as one whose wakes are lost is not woken: at first, and at most.
const REST: u64 = 10 * S;
const LONGEST_REST: u64 = 320 * S;

/// A host whose waiters are answered at once when they have asked.
struct Host {
    wakes: Wakes,
    limits: Limits,
    now: u64,
    lanes: BTreeMap<WaiterId, Lane>,
    /// Namespaces, or parties there, in which wakes are lost.
    deaf: fn(&Lane) -> bool,
    /// Those who have been woken and will ask.
    asks: BTreeSet<(u64, WaiterId)>,
    woken: Vec<(u64, Lane)>,
    out: BTreeMap<WaiterId, u64>,
}

impl Host {
    fn new(half_open: u32, deaf: fn(&Lane) -> bool) -> Self {
        Self {
            wakes: Wakes::default(),
            limits: Limits { half_open: Some(half_open), drain: None, ..Limits::xp_sp2() },
            now: S,
            lanes: BTreeMap::new(),
            deaf,
            asks: BTreeSet::new(),
            woken: Vec::new(),
            out: BTreeMap::new(),
        }
    }

    fn began(&mut self, lane: Lane, count: u64) -> Vec<WaiterId> {
        let first = self.lanes.len() as WaiterId;
        let new: Vec<_> = (first..first + count).collect();
        for waiter in &new {
            self.wakes.began(*waiter, lane);
            self.lanes.insert(*waiter, lane);
        }
        new
    }

    fn run_for(&mut self, time: u64) {
        let end = self.now + time;
        while self.now < end {
            self.now += LOOK;
            while let Some(&(at, waiter)) = self.asks.first().filter(|(at, _)| *at <= self.now) {
                self.asks.remove(&(at, waiter));
                self.out.insert(waiter, at);
                self.wakes.went_out(at, waiter, AccountId::HOST, true);
                let how = Ended { out_at: at, established: true, host_slot: true, own_slot: false };
                self.wakes.ended(at, waiter, AccountId::HOST, how);
            }
            for id in self.wakes.unread(self.now) {
                let reading = Reading {
                    at: self.now,
                    limits: self.limits,
                    in_use: 0,
                    next_turn: 0,
                    open: 0,
                    next_connection: 0,
                    credit: None,
                };
                self.wakes.read(id, reading);
            }
            for waiter in self.wakes.due(self.now, usize::MAX) {
                let lane = self.lanes[&waiter];
                self.woken.push((self.now, lane));
                if !(self.deaf)(&lane) {
                    self.asks.insert((self.now + EFFECT, waiter));
                }
            }
        }
    }

    /// When the last of these went out; they all have.
    fn last_of(&self, waiters: &[WaiterId]) -> u64 {
        let out = waiters.iter().map(|waiter| self.out.get(waiter).copied());
        out.collect::<Option<Vec<_>>>().expect("some were never woken").into_iter().max().unwrap()
    }

    /// The wakes that were lost.
    fn lost(&self) -> usize {
        self.woken.iter().filter(|(_, lane)| (self.deaf)(lane)).count()
    }
}

fn lane(top: u64, part: u64, netns: u32) -> Lane {
    Lane { party: Party { top, part }, netns, ..Lane::default() }
}

fn in_namespace_7(lane: &Lane) -> bool {
    lane.netns == 7
}

fn of_top_1(lane: &Lane) -> bool {
    lane.party.top == 1
}

/// How long a hundred of an innocent's take through one slot beside those of `others`.
fn innocent_beside(deaf: fn(&Lane) -> bool, others: impl IntoIterator<Item = (Lane, u64)>) -> (Host, u64) {
    let mut host = Host::new(1, deaf);
    for (lane, count) in others {
        host.began(lane, count);
    }
    let innocent = host.began(lane(2, 1, 2), 100);
    host.run_for(20 * S);
    let last = host.last_of(&innocent) - S;
    (host, last)
}

#[test]
fn a_namespace_that_drops_them_costs_the_others_a_few_lost_ones() {
    let alone = innocent_beside(in_namespace_7, []).1;
    let (host, beside) = innocent_beside(in_namespace_7, [(lane(1, 1, 7), 1_000)]);
    println!("alone {} ms, beside a deaf namespace {} ms", alone / MS, beside / MS);
    assert!(beside <= alone + 5 * LOST, "{beside} ns, alone {alone}");
    assert!(host.lost() <= 6, "{} wakes were lost", host.lost());
}

#[test]
fn endless_namespaces_cost_the_others_a_few_a_second() {
    let others = || (0..5_000).map(|netns| (lane(1, 1 + u64::from(netns) % 9, 100 + netns), 1));
    let alone = innocent_beside(of_top_1, []).1;
    let (host, beside) = innocent_beside(of_top_1, others());
    println!("alone {} ms, beside 5,000 deaf namespaces {} ms", alone / MS, beside / MS);
    assert!(beside <= alone + (16 + 2) * (LOST + LOOK), "{beside} ns, alone {alone}");
    assert!(host.lost() <= 16 + 21, "{} wakes were lost in 20 s", host.lost());
    let lost = host.wakes.lost();
    assert!(lost.namespaces.len() <= 1_024, "{}", lost.namespaces.len());
}

/// Namespaces that cannot be told apart any more are judged with others of their own party.
#[test]
fn who_has_too_many_namespaces_to_be_told_apart_spends_nobody_else_s() {
    let mut host = Host::new(1, of_top_1);
    for netns in 0..2_000 {
        host.began(lane(1, u64::from(netns) / 60, 100 + netns), 1);
    }
    host.run_for(S);
    let innocent = host.began(lane(2, 1, 2), 40);
    let began = host.now;
    host.run_for(5 * S);
    assert!(host.last_of(&innocent) - began <= 40 * (EFFECT + LOOK) + 10 * (LOST + LOOK));
    // Another namespace of his drops them, and both are among those that are judged together.
    host.deaf = |lane| lane.party.top == 1 || lane.netns == 3;
    host.began(lane(2, 1, 3), 40);
    host.run_for(2 * S);
    let lost = host.wakes.lost();
    assert!(lost.and_others && !lost.namespaces.contains(&3), "{lost:?}");
}

#[test]
fn another_namespace_of_the_same_user_is_woken_on() {
    let (host, beside) = innocent_beside(in_namespace_7, [(lane(2, 1, 7), 1_000)]);
    let alone = innocent_beside(in_namespace_7, []).1;
    assert!(beside <= alone + 5 * LOST, "{beside} ns, alone {alone}");
    let lost = host.wakes.lost();
    assert_eq!((lost.parties, lost.namespaces, lost.and_others), (1, [7].into(), false));
}

/// A socket's filter loses them as well, in the namespace of others.
#[test]
fn another_user_of_the_same_namespace_is_woken_on() {
    let alone = innocent_beside(of_top_1, []).1;
    let beside = innocent_beside(of_top_1, [(lane(1, 1, 2), 1_000)]).1;
    assert!(beside <= alone + 5 * LOST, "{beside} ns, alone {alone}");
}

#[test]
fn where_they_are_lost_it_is_tried_again_ever_later() {
    let mut host = Host::new(1, in_namespace_7);
    host.began(lane(1, 1, 7), 100_000);
    host.run_for(2_000 * S);
    let at: Vec<u64> = host.woken.iter().map(|(at, _)| *at).collect();
    let rests: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).filter(|rest| *rest > S).collect();
    println!(
        "{} wakes in 2,000 s, rests {:?} s",
        at.len(),
        rests.iter().map(|rest| rest / S).collect::<Vec<_>>()
    );
    assert!(rests[0] >= REST && rests[0] < REST + S, "{rests:?}");
    assert!(rests.windows(2).all(|pair| pair[1] >= pair[0]), "{rests:?}");
    assert!(rests.last().unwrap().abs_diff(LONGEST_REST) < S, "{rests:?}");
    assert!(at.len() <= 16, "{} wakes", at.len());
    // The rule is gone.
    host.deaf = |_| false;
    host.run_for(LONGEST_REST + S);
    assert!(host.out.len() > 30, "{} went out", host.out.len());
    assert_eq!(host.wakes.lost().parties, 0);
}

#[test]
fn the_promise_ends_only_where_all_who_wait_are_not_woken() {
    let mut host = Host::new(1, in_namespace_7);
    host.began(lane(1, 1, 7), 1_000);
    assert_eq!(host.wakes.rest_until(host.now), None, "nothing is known");
    host.run_for(S);
    let until = host.wakes.rest_until(host.now).unwrap();
    assert!(until > host.now && until <= host.now + REST);
    assert!(host.wakes.would_rest(host.now, &lane(1, 1, 7)));
    assert!(
        !host.wakes.would_rest(host.now, &lane(1, 1, 8)) && !host.wakes.would_rest(host.now, &lane(1, 2, 7))
    );
    host.began(lane(2, 1, 2), 1);
    assert_eq!(host.wakes.rest_until(host.now), None, "one waits elsewhere");
    host.run_for(S);
    assert_eq!(host.out.len(), 1);
    assert_eq!(host.wakes.rest_until(host.now), Some(until));
    // What was learned outlasts those who wait.
    host.wakes.clear();
    assert_eq!(host.wakes.rest_until(host.now), None, "nobody waits");
    assert!(host.wakes.would_rest(host.now, &lane(1, 1, 7)));
}

#[test]
fn packets_that_cannot_be_sent_are_told_from_those_that_are_lost() {
    let mut wakes = Wakes::default();
    let limits = Limits { half_open: Some(10), drain: None, ..Limits::xp_sp2() };
    (0..100).for_each(|waiter| wakes.began(waiter, lane(1, 1, 7)));
    wakes.read(
        AccountId::HOST,
        Reading { at: S, limits, in_use: 0, next_turn: 0, open: 0, next_connection: 0, credit: None },
    );
    let mut tried = 0;
    for look in 0..100 {
        for waiter in wakes.due(S + look, usize::MAX) {
            tried += 1;
            wakes.not_sent(S + look, waiter);
        }
    }
    assert_eq!(tried, 4);
    assert_eq!((wakes.lost().parties, wakes.unsendable().namespaces), (0, [7].into()));
    assert!(wakes.rest_until(S + 100).is_some());
}

/// Late ones at one stretch, as on a machine that stood still, are no sign.
#[test]
fn a_machine_that_stands_still_loses_nothing() {
    let mut host = Host::new(100, |_| false);
    host.began(lane(1, 1, 7), 20);
    host.run_for(S);
    host.deaf = |_| true;
    host.began(lane(1, 1, 7), 100);
    host.run_for(LOST);
    assert!(host.lost() > 50, "{}", host.lost());
    host.deaf = |_| false;
    let after = host.began(lane(1, 1, 7), 100);
    let began = host.now;
    host.run_for(S);
    assert!(host.last_of(&after) - began < 4 * LOST);
}

/// What the promise may cost one whose wakes are lost: its first timer, until it asks by itself.
#[test]
fn who_waits_in_vain_for_a_wake_asks_after_twice_its_turn() {
    for (waiting, interval_ms) in [(1, 0), (1, 6_000), (10, 100), (40, 0), (500, 0), (1_000, 20)] {
        let turn_ms = waiting * interval_ms.max(8);
        let longest = (0..1_000).map(|number| {
            timers::first_timer_woken_ms(waiting, number, u64::from(interval_ms) * MS, u32::MAX / 4)
        });
        let longest = longest.max().unwrap();
        println!("{waiting} waiting, a turn each {interval_ms} ms: asks after {longest} ms at most");
        assert!(longest <= 2 * (500 + turn_ms), "{longest} ms; {waiting} turns take {turn_ms} ms");
    }
}
