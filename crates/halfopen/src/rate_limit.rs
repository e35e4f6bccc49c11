//! The rate limit of log lines and events: one for each key in an interval, and so many for all keys together. Pure: the
//! caller passes the time, on a clock that does not jump.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// The interval of all log lines and events.
pub const MINUTE: Duration = Duration::from_mins(1);
/// The most keys that are let through in an interval, and the most that are remembered, unless
/// [`RateLimit::and_in_all`] says less.
const KEYS: usize = 1_024;

/// When each key was last let through.
#[derive(Debug)]
pub struct RateLimit<K> {
    every: Duration,
    in_all: usize,
    passed: HashMap<K, Passed>,
}

#[derive(Debug)]
struct Passed {
    at: Duration,
    /// How many were kept back since then.
    kept_back: u64,
}

impl<K: Eq + Hash> Default for RateLimit<K> {
    fn default() -> Self {
        Self::every(MINUTE)
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    /// Lets each key through once in this interval.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { every: interval, in_all: KEYS, passed: HashMap::new() }
    }

    /// Lets at most this many through in the interval, whatever their keys.
    #[must_use]
    pub fn and_in_all(self, most: usize) -> Self {
        Self { in_all: most.min(KEYS), ..self }
    }

    /// How many keys may still be let through at `now`.
    #[must_use]
    pub fn left(&self, now: Duration) -> usize {
        let in_force = self.passed.values().filter(|passed| passed.at + self.every > now).count();
        self.in_all.saturating_sub(in_force)
    }

    /// When the interval of `key` ends.
    #[must_use]
    pub fn next<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Duration
    where
        K: Borrow<Q>,
    {
        self.passed.get(key).map_or(Duration::ZERO, |passed| passed.at + self.every)
    }

    /// Whether `key` may be let through at `now`.
    #[must_use]
    pub fn allows<Q: Eq + Hash + ?Sized>(&self, now: Duration, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.next(key) <= now && self.left(now) > 0
    }

    /// Notes that `key` was let through at that time, possibly by an earlier daemon.
    pub fn passed(&mut self, at: Duration, key: K) {
        if self.passed.len() >= self.in_all {
            self.passed.retain(|_, passed| passed.at + self.every > at);
        }
        self.passed.insert(key, Passed { at, kept_back: 0 });
    }

    /// Lets `key` through if it is allowed at `now`. Returns how many of it were kept back since it was last let
    /// through, as far as that is remembered; `None` keeps this one back.
    pub fn take(&mut self, now: Duration, key: K) -> Option<u64> {
        if !self.allows(now, &key) {
            if let Some(passed) = self.passed.get_mut(&key) {
                passed.kept_back += 1;
            }
            return None;
        }
        let kept_back = self.passed.get(&key).map_or(0, |passed| passed.kept_back);
        self.passed(now, key);
        Some(kept_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn each_key_passes_once_a_minute_and_the_next_one_counts_the_rest() {
        let mut limit = RateLimit::default();
        let mut take = |at, key| limit.take(second(at), key);
        assert_eq!([take(0, "a"), take(1, "a"), take(1, "b")], [Some(0), None, Some(0)]);
        assert_eq!([take(59, "a"), take(60, "b"), take(60, "a")], [None, None, Some(2)]);
        assert_eq!([take(61, "b"), take(500, "a")], [Some(1), Some(0)]);
    }

    #[test]
    fn all_keys_together_have_a_limit_too() {
        let mut limit = RateLimit::default().and_in_all(2);
        assert_eq!([0, 1, 2].map(|key| limit.take(second(key), key)), [Some(0), Some(0), None]);
        assert_eq!((limit.left(second(59)), limit.left(second(60))), (0, 1));
        assert!(limit.allows(second(60), &7) && !limit.allows(second(60), &1));
        assert_eq!((limit.next(&1), limit.next(&7)), (second(61), Duration::ZERO));
    }

    #[test]
    fn what_an_earlier_daemon_let_through_counts() {
        let mut limit = RateLimit::default();
        limit.passed(second(30), "a");
        assert_eq!((limit.take(second(89), "a"), limit.take(second(90), "a")), (None, Some(1)));
    }

    #[test]
    fn a_flood_of_keys_takes_no_memory() {
        let mut limit = RateLimit::default();
        let passed = (0..10_000_u64).filter(|key| limit.take(second(key / 100), *key).is_some()).count();
        assert_eq!((passed, limit.passed.len()), (2 * KEYS, KEYS));
    }
}
