//! Several threads begin and end attempts in the same accounting, as processors do: the limit holds at every instant, and no
//! slot is lost or made.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::shared::{Shared, SharedAttempt};
use halfopen_policy::{Ending, Limits, Origin, Party, Standing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const THREADS: u64 = 6;
const ROUNDS: usize = 200_000;
const LIMIT: u32 = 4;
const SLOT_LIFE: Duration = Duration::from_secs(1);
const BEGAN_NS: u64 = 1_000_000_000_000;

fn limits(half_open: Option<u32>) -> Limits {
    Limits { half_open, slot_life: SLOT_LIFE, drain: None, ..Limits::xp_sp2() }
}

fn origin(address: u64) -> Origin {
    Origin {
        standing: Standing::Bound,
        own: None,
        interface: None,
        party: Party { top: 1, part: 2 },
        first: false,
        tried: false,
        named: false,
        foreign: false,
        address,
        port: 0,
    }
}

fn on_threads(work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

/// `host` and `own` are the limits of the host and of the account: one of them is [`LIMIT`].
fn never_more_than_the_limit(host: Option<u32>, own: Option<u32>) {
    let accounting = Shared::new(&limits(host), &limits(own));
    let (out, most, refused, at_once) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    on_threads(|thread| {
        let mut random = StdRng::seed_from_u64(thread);
        let mut held: Vec<SharedAttempt> = Vec::new();
        for round in 0..ROUNDS {
            match accounting.begin(&origin(round as u64), BEGAN_NS) {
                Some(attempt) => {
                    // Counted after it has begun, and no more before it ends: never more than there are.
                    most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    held.push(attempt);
                }
                None => drop(refused.fetch_add(1, Ordering::SeqCst)),
            }
            while held.len() > random.random_range(0..3) {
                out.fetch_sub(1, Ordering::SeqCst);
                let ended = accounting.end(&held.swap_remove(0), Ending::Established, BEGAN_NS);
                at_once.fetch_add(ended.at_once.into(), Ordering::SeqCst);
            }
        }
        for attempt in held {
            out.fetch_sub(1, Ordering::SeqCst);
            accounting.end(&attempt, Ending::Established, BEGAN_NS);
        }
    });
    assert!(most.into_inner() <= LIMIT as usize, "the limit was passed");
    assert!(refused.into_inner() > 0, "the limit was never reached");
    assert!(at_once.into_inner() > 0, "every attempt took the lock");
    assert_eq!(accounting.slots(), [0, 0], "slots are lost or made");
    assert_eq!(accounting.out(), [0, 0], "attempts are lost or made");
}

#[test]
fn no_more_than_the_host_s_limit_are_ever_out() {
    never_more_than_the_limit(Some(LIMIT), None);
}

#[test]
fn no_more_than_the_account_s_limit_are_ever_out() {
    never_more_than_the_limit(None, Some(LIMIT));
}

/// Two threads go on together each time.
fn meet(met: &AtomicUsize, meeting: usize) {
    met.fetch_add(1, Ordering::SeqCst);
    while met.load(Ordering::SeqCst) < 2 * meeting {
        thread::yield_now();
    }
}

/// One gives its slot back while another one begins: this one goes out, or the other one can tell that it waits.
#[test]
fn who_begins_to_wait_is_seen_by_whoever_gives_a_slot_back() {
    const TIMES: usize = 100_000;
    let accounting = Shared::new(&limits(Some(1)), &limits(None));
    let (met, waits, waited) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for time in 0..TIMES {
                meet(&met, 3 * time + 1);
                let (attempt, goes) = accounting.begin_or_wait(&origin(2), BEGAN_NS);
                waits.store(!goes, Ordering::SeqCst);
                waited.fetch_add((!goes).into(), Ordering::SeqCst);
                meet(&met, 3 * time + 2);
                accounting.end(&attempt, Ending::Established, BEGAN_NS);
                meet(&met, 3 * time + 3);
            }
        });
        let mut random = StdRng::seed_from_u64(1);
        let unseen = (0..TIMES).filter(|time| {
            let attempt = accounting.begin(&origin(1), BEGAN_NS).unwrap();
            meet(&met, 3 * time + 1);
            (0..random.random_range(0..100)).for_each(|_| hint::spin_loop());
            let ended = accounting.end(&attempt, Ending::Established, BEGAN_NS);
            meet(&met, 3 * time + 2);
            let unseen = waits.load(Ordering::SeqCst) && !ended.sees_waiter;
            meet(&met, 3 * time + 3);
            unseen
        });
        assert_eq!(unseen.count(), 0, "nobody is told to wake them");
    });
    assert!((1..TIMES).contains(&waited.into_inner()), "they never met");
}

/// A socket and the reconcile walk end the same attempt, while another one has a slot of the same tick.
#[test]
fn of_two_that_end_an_attempt_one_gives_its_slots_back() {
    const TIMES: usize = 100_000;
    let accounting = Shared::new(&limits(Some(LIMIT)), &limits(None));
    let _other = accounting.begin(&origin(1), BEGAN_NS).unwrap();
    let (met, twice) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun: Mutex<Option<Arc<SharedAttempt>>> = Mutex::new(None);
    let end = |time| {
        meet(&met, 3 * time + 1);
        let attempt = begun.lock().unwrap().clone().unwrap();
        meet(&met, 3 * time + 2);
        accounting.end(&attempt, Ending::Established, BEGAN_NS);
        meet(&met, 3 * time + 3);
    };
    thread::scope(|scope| {
        scope.spawn(|| (0..TIMES).for_each(end));
        for time in 0..TIMES {
            let attempt = accounting.begin(&origin(2), BEGAN_NS).map(Arc::new);
            *begun.lock().unwrap() = attempt;
            end(time);
            twice.fetch_add((accounting.slots() != [1, 1]).into(), Ordering::SeqCst);
        }
    });
    assert_eq!((twice.into_inner(), accounting.slots()), (0, [1, 1]), "another one's slot was given back");
    assert_eq!(accounting.out(), [1, 1], "another one was counted out");
}

#[test]
fn slots_expire_while_others_are_given_back_and_none_is_lost() {
    let accounting = Shared::new(&limits(Some(40)), &limits(None));
    let clock = AtomicU64::new(BEGAN_NS);
    on_threads(|thread| {
        let mut random = StdRng::seed_from_u64(thread);
        let mut held: Vec<SharedAttempt> = Vec::new();
        for round in 0..ROUNDS {
            // A slot lives for some hundred steps of all threads.
            let now = clock.fetch_add(random.random_range(0..3_000_000), Ordering::SeqCst);
            held.extend(accounting.begin(&origin(round as u64), now));
            while held.len() > random.random_range(0..60) {
                let at = random.random_range(0..held.len());
                let ending = [Ending::Established, Ending::Other, Ending::TimedOut, Ending::Cancelled]
                    [random.random_range(0..4)];
                accounting.end(&held.swap_remove(at), ending, now);
            }
        }
        for attempt in held {
            accounting.end(&attempt, Ending::Other, clock.load(Ordering::SeqCst));
        }
    });
    // One that comes when all slots have expired turns the wheels.
    let later = clock.into_inner() + 10 * SLOT_LIFE.as_nanos() as u64;
    let last = accounting.begin(&origin(1), later).unwrap();
    assert_eq!(accounting.slots(), [1, 1], "slots are lost or made");
    accounting.end(&last, Ending::Established, later);
    assert_eq!(accounting.slots(), [0, 0], "slots are lost or made");
}
