//! Slots expire on a grid, so that the kernel can count them by tick instead of keeping a list.

use crate::kernel_form::nanos;
use std::time::Duration;

/// The shift that turns `slot_life` into ticks: `slot_life >> shift`, in nanoseconds, lies in 32..64.
#[must_use]
pub fn grid_shift(slot_life: Duration) -> u32 {
    nanos(slot_life).max(32).ilog2() - 5
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
}
