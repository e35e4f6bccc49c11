use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{Discipline, Fate};

/// First in, first out, at a rate, after a burst.
#[derive(Debug)]
pub struct Fifo {
    gap: Duration,
    burst: u32,
    most: usize,
    held: VecDeque<u64>,
    /// When the bucket will be full again.
    full_at: Option<Instant>,
}

impl Fifo {
    /// So many SYNs a second, `burst` of them at once after a pause; at most `most` are held, more are dropped.
    #[must_use]
    pub fn new(per_second: f64, burst: u32, most: usize) -> Self {
        let gap = Duration::from_secs_f64(1.0 / per_second);
        Self { gap, burst: burst.max(1), most, held: VecDeque::new(), full_at: None }
    }

    /// When the bucket holds a token, if it does not already.
    fn token_at(&self) -> Option<Instant> {
        self.full_at?.checked_sub(self.gap * (self.burst - 1))
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.token_at().is_some_and(|at| at > now) {
            return false;
        }
        self.full_at = Some(self.full_at.map_or(now, |at| at.max(now)) + self.gap);
        true
    }
}

impl Discipline for Fifo {
    fn arrive(&mut self, number: u64, _: Ipv4Addr, now: Instant) -> Fate {
        if self.held.is_empty() && self.take(now) {
            return Fate::Leave;
        }
        if self.held.len() >= self.most {
            return Fate::Drop;
        }
        self.held.push_back(number);
        Fate::Hold
    }

    fn release(&mut self, now: Instant) -> Vec<u64> {
        let mut leave = Vec::new();
        while !self.held.is_empty() && self.take(now) {
            leave.extend(self.held.pop_front());
        }
        leave
    }

    fn next(&self) -> Option<Instant> {
        self.held.front().and(self.token_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

    #[test]
    fn after_the_burst_one_leaves_each_tenth_of_a_second_in_order() {
        let (mut fifo, start) = (Fifo::new(10.0, 5, 100), Instant::now());
        let fates: Vec<_> = (0..10).map(|number| fifo.arrive(number, PEER, start)).collect();
        assert_eq!(fates, [[Fate::Leave; 5], [Fate::Hold; 5]].concat());
        assert!(fifo.release(start).is_empty());
        for number in 5..10 {
            let at = fifo.next().unwrap();
            let due = Duration::from_millis(100) * (number as u32 - 4);
            assert_eq!(at.duration_since(start), due);
            assert!(fifo.release(start + due.saturating_sub(Duration::from_millis(1))).is_empty());
            assert_eq!(fifo.release(at), [number]);
        }
        assert_eq!(fifo.next(), None);
        // The bucket fills up again, and no further.
        let later = start + Duration::from_mins(1);
        let left = (10..30).filter(|number| fifo.arrive(*number, PEER, later) == Fate::Leave).count();
        assert_eq!(left, 5);
    }

    #[test]
    fn what_comes_while_others_wait_does_not_overtake_them_and_a_full_queue_drops() {
        let (mut fifo, start) = (Fifo::new(10.0, 1, 1), Instant::now());
        assert_eq!(fifo.arrive(0, PEER, start), Fate::Leave);
        assert_eq!(fifo.arrive(1, PEER, start), Fate::Hold);
        let due = start + Duration::from_millis(100);
        assert_eq!(fifo.arrive(2, PEER, due), Fate::Drop);
        assert_eq!(fifo.release(due), [1]);
    }
}
