//! Slots expire on a grid, so that the kernel can count them by tick instead of keeping a list.

use std::time::Duration;

/// The shift that makes a tick of `slot_life`: `slot_life >> shift` lies in 32..64.
#[must_use]
pub fn grid_shift(slot_life: Duration) -> u32 {
    let nanos = u64::try_from(slot_life.as_nanos()).unwrap_or(u64::MAX).max(32);
    nanos.ilog2() - 5
}

/// The tick from which on a slot taken at `now_ns` is free again: rounded up, and one tick more because the SYN leaves
/// a little after its slot is taken.
#[must_use]
pub fn expiry_tick(now_ns: u64, slot_life: Duration) -> u64 {
    let life = u64::try_from(slot_life.as_nanos()).unwrap_or(u64::MAX);
    (now_ns.saturating_add(life) >> grid_shift(slot_life)) + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_between_a_64th_and_a_32nd_of_the_life() {
        for millis in [100, 999, 1_000, 1_024, 21_000, 3_600_000] {
            let life = Duration::from_millis(millis);
            let ticks = life.as_nanos() as u64 >> grid_shift(life);
            assert!((32..64).contains(&ticks), "{millis} ms: {ticks} ticks");
        }
    }

    #[test]
    fn a_slot_outlives_slot_life_by_at_most_two_ticks() {
        let life = Duration::from_secs(21);
        let tick = 1u64 << grid_shift(life);
        for now in [0, 1, tick - 1, tick, 12_345_678_901] {
            let until = expiry_tick(now, life) * tick;
            let held = until - now;
            assert!(held > 21_000_000_000 && held <= 21_000_000_000 + 2 * tick, "held for {held} ns");
        }
    }
}
