use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{Discipline, Fate};

/// The virus throttle as published (Williamson 2002; Twycross and Williamson 2003, whose Linux program worked on a
/// packet queue of iptables too): a SYN to one of the hosts contacted last leaves at once, one to another host joins a
/// delay queue. At each tick the host at the head of the queue takes the place of the one that was not contacted for the
/// longest time, and all SYNs to it leave.
#[derive(Debug)]
pub struct VirusThrottle {
    /// The host contacted last is at the back.
    working_set: VecDeque<Ipv4Addr>,
    hosts: usize,
    delay: Duration,
    most: usize,
    held: VecDeque<(u64, Ipv4Addr)>,
    tick: Option<Instant>,
}

impl VirusThrottle {
    /// A working set of so many hosts, one new host each `delay`, and at most `most` SYNs held: more are dropped.
    #[must_use]
    pub fn new(hosts: usize, delay: Duration, most: usize) -> Self {
        Self { working_set: VecDeque::new(), hosts, delay, most, held: VecDeque::new(), tick: None }
    }

    /// Whether the host is in the working set; if so it is now the one contacted last.
    fn contact_again(&mut self, host: Ipv4Addr) -> bool {
        let Some(place) = self.working_set.iter().position(|known| *known == host) else { return false };
        self.working_set.remove(place);
        self.working_set.push_back(host);
        true
    }
}

impl Discipline for VirusThrottle {
    fn arrive(&mut self, number: u64, to: Ipv4Addr, now: Instant) -> Fate {
        if self.contact_again(to) {
            return Fate::Leave;
        }
        if self.working_set.len() < self.hosts {
            self.working_set.push_back(to);
            return Fate::Leave;
        }
        if self.held.len() >= self.most {
            return Fate::Drop;
        }
        // The tick goes on after the last one: a pause shorter than the delay does not shorten it.
        self.tick =
            Some(self.tick.map_or(
                now + self.delay,
                |tick| {
                    if self.held.is_empty() { tick.max(now) } else { tick }
                },
            ));
        self.held.push_back((number, to));
        Fate::Hold
    }

    fn release(&mut self, now: Instant) -> Vec<u64> {
        let Some(tick) = self.tick.filter(|tick| *tick <= now) else { return Vec::new() };
        let Some((_, host)) = self.held.front().copied() else { return Vec::new() };
        self.working_set.pop_front();
        self.working_set.push_back(host);
        self.tick = Some(tick + self.delay);
        let (leave, stay) = self.held.iter().partition::<VecDeque<_>, _>(|(_, to)| *to == host);
        self.held = stay;
        leave.into_iter().map(|(number, _)| number).collect()
    }

    fn next(&self) -> Option<Instant> {
        self.held.front().and(self.tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(number: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 0, number)
    }

    fn throttle_with_its_set_full(now: Instant) -> VirusThrottle {
        let mut throttle = VirusThrottle::new(5, SECOND, 200);
        for number in 0..5 {
            assert_eq!(throttle.arrive(number.into(), host(number), now), Fate::Leave);
        }
        throttle
    }

    #[test]
    fn past_the_working_set_one_host_a_second_leaves_with_all_that_wait_for_it() {
        let start = Instant::now();
        let mut throttle = throttle_with_its_set_full(start);
        for (number, to) in [(10, 7), (11, 8), (12, 7)] {
            assert_eq!(throttle.arrive(number, host(to), start), Fate::Hold);
        }
        assert_eq!(throttle.next(), Some(start + SECOND));
        assert!(throttle.release(start + SECOND / 2).is_empty());
        assert_eq!(throttle.release(start + SECOND), [10, 12]);
        assert!(throttle.release(start + SECOND).is_empty());
        assert_eq!(throttle.release(start + SECOND * 2), [11]);
        assert_eq!(throttle.next(), None);
        assert_eq!(throttle.arrive(13, host(9), start + SECOND * 2), Fate::Hold);
        assert_eq!(throttle.next(), Some(start + SECOND * 3));
    }

    #[test]
    fn the_host_contacted_longest_ago_makes_room_and_hosts_of_the_set_are_not_held() {
        let start = Instant::now();
        let mut throttle = throttle_with_its_set_full(start);
        assert_eq!(throttle.arrive(5, host(0), start), Fate::Leave);
        assert_eq!(throttle.arrive(6, host(9), start), Fate::Hold);
        assert_eq!(throttle.release(start + SECOND), [6]);
        assert_eq!(throttle.arrive(7, host(0), start + SECOND), Fate::Leave);
        assert_eq!(throttle.arrive(8, host(1), start + SECOND), Fate::Hold);
    }

    #[test]
    fn a_full_queue_drops() {
        let start = Instant::now();
        let mut throttle = VirusThrottle::new(1, SECOND, 2);
        let fates = [0, 1, 2, 3].map(|number| throttle.arrive(number.into(), host(number), start));
        assert_eq!(fates, [Fate::Leave, Fate::Hold, Fate::Hold, Fate::Drop]);
    }
}
