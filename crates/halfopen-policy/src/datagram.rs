//! First contacts over UDP: how many a scope lets out in a given time. UDP has no handshake to learn from,
//! and no queue: a first contact over the rate is refused or dropped. `bpf/datagrams.h` decides.

use crate::native;
use crate::{Ledger, Limits, Rate};

/// What happens to a first contact over UDP that is over the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Excess {
    /// The send fails with `EPERM`.
    #[default]
    Refuse,
    /// The send succeeds, and nothing leaves.
    Drop,
}

/// The limit of a scope on first contacts over UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstDatagrams {
    /// How many addresses that were not sent to lately may be sent to in a given time.
    pub rate: Rate,
    /// What happens to first contacts over the rate.
    pub excess: Excess,
}

/// The turns of first contacts over UDP in one scope.
#[derive(Debug, Clone, Default)]
pub struct DatagramTurns(native::Scope);

impl DatagramTurns {
    /// Whether a first contact may leave at `now` (nanoseconds of the caller's clock). If so, it takes its
    /// turn.
    pub fn let_out(&mut self, rate: Rate, now: u64) -> bool {
        let datagrams = Some(FirstDatagrams { rate, excess: Excess::default() });
        let limits = Limits { datagrams, ..Limits::xp_sp2() };
        self.0.lets_datagram_out(&(&limits).into(), now)
    }

    /// How many first contacts have left.
    #[must_use]
    pub fn let_out_so_far(&self) -> u64 {
        Ledger::of(&self.0, 0).datagrams.let_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_by_one() {
        let rate = Rate::new(20, Duration::from_secs(1)).unwrap();
        let mut turns = DatagramTurns::default();
        let start = 100_000_000_000;
        let sent = |turns: &mut DatagramTurns, from: u64, to: u64| {
            (from..to).step_by(1_000_000).filter(|now| turns.let_out(rate, *now)).count()
        };
        assert_eq!((0..50).filter(|_| turns.let_out(rate, start)).count(), 20);
        assert_eq!(sent(&mut turns, start, start + 10_000_000_000), 199);
        assert_eq!((0..50).filter(|_| turns.let_out(rate, start + 60_000_000_000)).count(), 20);
    }

    #[test]
    fn a_slow_rate_lets_one_out() {
        let rate = Rate::new(1, Duration::from_mins(1)).unwrap();
        let mut turns = DatagramTurns::default();
        let minutes =
            [0, 30, 60, 90, 120].map(|second| turns.let_out(rate, (1_000 + second) * 1_000_000_000));
        assert_eq!(minutes, [true, false, true, false, true]);
    }

    #[test]
    fn a_rate_slower_than_the_clock_is_old_lets_one_out() {
        let rate = Rate::new(1, Duration::from_hours(1)).unwrap();
        let mut turns = DatagramTurns::default();
        assert_eq!([5, 6].map(|second| turns.let_out(rate, second * 1_000_000_000)), [true, false]);
    }

    #[test]
    fn a_raised_rate_is_in_force_at_once() {
        let slow = Rate::new(1, Duration::from_hours(1)).unwrap();
        let fast = Rate::new(20, Duration::from_secs(1)).unwrap();
        let mut turns = DatagramTurns::default();
        let start = 100_000_000_000;
        assert!(turns.let_out(slow, start));
        assert!(turns.let_out(fast, start + 60_000_000));
    }
}
