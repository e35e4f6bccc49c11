//! The events that wait for the collector: a bounded number. The oldest make room, but for those that are being sent.

use super::message::Counts;
use std::collections::VecDeque;

/// The queue.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<T>,
    most: usize,
    /// How many of the first are being sent.
    on_the_way: usize,
    counts: Counts,
}

/// What the collector said of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has it, without so many of its records.
    Taken {
        /// Records that it does not have.
        rejected: u64,
    },
    /// It will never take it.
    Refused,
    /// It can be tried again.
    Again,
}

impl<T: Clone> Queue<T> {
    /// A queue of at most so many, at least one.
    pub fn of(most: usize) -> Self {
        Self { waiting: VecDeque::new(), most: most.max(1), on_the_way: 0, counts: Counts::default() }
    }

    /// Adds one.
    pub fn add(&mut self, one: T) {
        if self.waiting.len() >= self.most {
            self.counts.queue_full += 1;
            // All of them being sent, this is the one that has no room.
            if self.waiting.remove(self.on_the_way).is_none() {
                return;
            }
        }
        self.waiting.push_back(one);
    }

    /// The oldest, so many at most, which are being sent from now on.
    pub fn batch(&mut self, most: usize) -> Vec<T> {
        self.on_the_way = self.waiting.len().min(most);
        self.waiting.iter().take(self.on_the_way).cloned().collect()
    }

    /// Those that were being sent have come to this.
    pub fn settle(&mut self, verdict: Verdict) {
        let batch = std::mem::take(&mut self.on_the_way);
        let sent = batch as u64;
        match verdict {
            Verdict::Again => return,
            Verdict::Refused => self.counts.refused += sent,
            Verdict::Taken { rejected } => {
                self.counts.rejected += rejected.min(sent);
                self.counts.sent += sent.saturating_sub(rejected);
            }
        }
        self.waiting.drain(..batch);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What has become of all that was added.
    pub fn counts(&self) -> Counts {
        Counts { waiting: self.waiting.len() as u64, ..self.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Queue<u32> {
        let mut queue = Queue::of(3);
        (1..=3).for_each(|one| queue.add(one));
        queue
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut queue = full();
        queue.add(4);
        assert_eq!(queue.batch(9), [2, 3, 4]);
        assert_eq!(queue.counts(), Counts { waiting: 3, queue_full: 1, ..Counts::default() });
    }

    #[test]
    fn what_is_being_sent_stays() {
        let mut queue = full();
        assert_eq!(queue.batch(2), [1, 2]);
        queue.add(4);
        queue.settle(Verdict::Taken { rejected: 0 });
        assert_eq!(queue.batch(9), [4]);
        queue.settle(Verdict::Again);
        assert_eq!(queue.counts(), Counts { waiting: 1, sent: 2, queue_full: 1, ..Counts::default() });

        let mut queue = full();
        queue.batch(3);
        queue.add(4);
        queue.settle(Verdict::Refused);
        assert_eq!(queue.counts(), Counts { refused: 3, queue_full: 1, ..Counts::default() });
    }

    #[test]
    fn no_collector_rejects_more_than_it_got() {
        let mut queue = full();
        queue.batch(2);
        queue.settle(Verdict::Taken { rejected: 1 });
        queue.batch(2);
        queue.settle(Verdict::Taken { rejected: u64::MAX });
        assert_eq!(queue.counts(), Counts { sent: 1, rejected: 2, ..Counts::default() });
    }
}
