//! Many connections that end in all ways, several at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::endings::WAYS;
use crate::{Cgroup, Lab};

/// What became of a churn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Churned {
    /// How many connections were opened, and ended as their ways say.
    pub ended: usize,
    /// Of those that were not: one error of each way, and how many there were.
    pub failed: BTreeMap<&'static str, (usize, String)>,
}

/// Walks every way so many times from `cgroup`, in an order drawn by the lab's seed, `at_once` at a time.
#[must_use]
pub fn churn(lab: &Lab, cgroup: &Cgroup, rounds: usize, at_once: usize) -> Churned {
    let mut ways: Vec<_> = std::iter::repeat_n(WAYS, rounds).flatten().collect();
    ways.shuffle(&mut StdRng::seed_from_u64(lab.seed()));
    let left = Mutex::new(VecDeque::from(ways));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let churned = Mutex::new(Churned::default());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(way) = next() {
                    let done = way.walk(lab, cgroup, &mut |_| Ok(()));
                    let mut churned = churned.lock().unwrap_or_else(PoisonError::into_inner);
                    match done {
                        Ok(()) => churned.ended += 1,
                        Err(error) => {
                            churned.failed.entry(way.name).or_insert((0, error.to_string())).0 += 1;
                        }
                    }
                }
            });
        }
    });
    churned.into_inner().unwrap_or_else(PoisonError::into_inner)
}
