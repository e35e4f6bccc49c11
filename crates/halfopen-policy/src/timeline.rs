//! What is to happen on a virtual clock, in its order.
//!
//! Most events come a fixed time after what caused them: a timer of TCP, an answer, a program's patience. Those of one
//! kind are planned in the order in which they come, so a queue holds them, and no heap has to sort them. Which queue
//! takes an event is found as in patience sorting (Mallows 1963).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// As many kinds of events as this are kept in order without a heap.
const QUEUES: usize = 10;
/// The place of the heap, after the queues.
const HEAP: usize = QUEUES;
/// When nothing comes.
const NEVER: Moment = Moment::MAX;

/// A time in nanoseconds, and below it how many events were planned before: a number, which is compared without a branch.
type Moment = u128;

fn time_of(moment: Moment) -> u64 {
    (moment >> 64) as u64
}

/// Events by their time; those of one time in the order in which they were planned.
#[derive(Debug, Clone)]
pub struct Timeline<E> {
    queues: [VecDeque<(Moment, E)>; QUEUES],
    heap: BinaryHeap<Reverse<(Moment, E)>>,
    /// The first event of each queue, and of the heap.
    first: [Moment; QUEUES + 1],
    /// The time of the last event of each queue; 0 if it is empty.
    last: [u64; QUEUES],
    planned: u64,
}

impl<E: Ord> Default for Timeline<E> {
    fn default() -> Self {
        Self {
            queues: std::array::from_fn(|_| VecDeque::new()),
            heap: BinaryHeap::new(),
            first: [NEVER; QUEUES + 1],
            last: [0; QUEUES],
            planned: 0,
        }
    }
}

impl<E: Ord> Timeline<E> {
    /// Has `event` happen at `at` (nanoseconds; below `u64::MAX`).
    pub fn plan(&mut self, at: u64, event: E) {
        let moment = u128::from(at) << 64 | u128::from(self.planned);
        self.planned += 1;
        // The one that is closest before leaves the others to earlier events.
        let fits = (0..QUEUES).filter(|place| self.last[*place] <= at).max_by_key(|place| self.last[*place]);
        if let Some(place) = fits {
            self.queues[place].push_back((moment, event));
            self.last[place] = at;
            self.first[place] = self.first[place].min(moment);
        } else {
            self.heap.push(Reverse((moment, event)));
            self.first[HEAP] = self.first[HEAP].min(moment);
        }
    }

    fn next_place(&self) -> usize {
        let firsts = self.first.iter().copied().enumerate();
        firsts.fold((HEAP, NEVER), |least, one| if one.1 < least.1 { one } else { least }).0
    }

    /// When the next event is.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        let at = time_of(self.first[self.next_place()]);
        (at != u64::MAX).then_some(at)
    }

    /// The next event, if it is not after `until`, and when it is.
    pub fn next(&mut self, until: u64) -> Option<(u64, E)> {
        let place = self.next_place();
        if time_of(self.first[place]) > until {
            return None;
        }
        let (moment, event) = if let Some(queue) = self.queues.get_mut(place) {
            let next = queue.pop_front()?;
            self.first[place] = queue.front().map_or(NEVER, |(moment, _)| *moment);
            if queue.is_empty() {
                self.last[place] = 0;
            }
            next
        } else {
            let Reverse(next) = self.heap.pop()?;
            self.first[HEAP] = self.heap.peek().map_or(NEVER, |Reverse((moment, _))| *moment);
            next
        };
        Some((time_of(moment), event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_come_by_time_and_then_as_planned(acts in proptest::collection::vec((0..40_u64, any::<bool>()), 0..400)) {
            let mut timeline = Timeline::default();
            let mut plain = Vec::new();
            let mut now = 0;
            for (number, (after, takes)) in acts.into_iter().enumerate() {
                timeline.plan(now + after, number);
                plain.push((now + after, number));
                plain.sort_unstable();
                prop_assert_eq!(timeline.next_at(), plain.first().map(|one| one.0));
                if takes {
                    let next = timeline.next(now + 10);
                    let due = plain.first().copied().filter(|one| one.0 <= now + 10);
                    prop_assert_eq!(next, due);
                    if let Some((at, _)) = due {
                        plain.remove(0);
                        now = at;
                    }
                }
            }
            let rest: Vec<_> = std::iter::from_fn(|| timeline.next(u64::MAX - 1)).collect();
            prop_assert_eq!(rest, plain);
        }
    }
}
