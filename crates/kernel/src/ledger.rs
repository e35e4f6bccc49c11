//! Reading a scope's books as they would be if somebody asked at this moment.

use crate::skeleton::types;
use halfopen_policy::{DatagramCounts, Ledger};
use std::time::Duration;

const BUCKETS: u64 = 128;

/// The slots of `scope` that have not expired at `now_ns`: what `slots_settle()` would leave.
fn slots_held(scope: &types::scope, now_ns: u64) -> u64 {
    let now_tick = now_ns.checked_shr(scope.slot_shift).unwrap_or(0);
    let expired: u64 = (scope.tick + 1..=now_tick)
        .take(BUCKETS as usize)
        .map(|tick| u64::from(scope.bucket[(tick % BUCKETS) as usize]))
        .sum();
    let old = if now_ns < scope.old_grid_until_ns { u64::from(scope.in_old_grid) } else { 0 };
    u64::from(scope.in_slots).saturating_sub(expired) + old
}

pub(crate) fn ledger(scope: &types::scope, now_ns: u64) -> Ledger {
    let out = u64::from(scope.out);
    let half_open = slots_held(scope, now_ns).min(out);
    Ledger {
        half_open,
        aged: out - half_open,
        queued: u64::from(scope.queued),
        admitted: scope.admitted,
        released: scope.released,
        cancelled: scope.cancelled,
        gave_up_while_queued: scope.gave_up,
        established: scope.established,
        failed: scope.failed,
        refused_overflow: scope.refused,
        blocked: scope.blocked,
        would_have_waited: scope.would_have_waited,
        longest_wait: Duration::from_nanos(scope.longest_wait_ns),
        last_waiter: Duration::from_nanos(scope.last_waiter_ns),
        datagrams: DatagramCounts {
            let_out: scope.datagrams_let_out,
            stopped: scope.datagrams_stopped,
            would_have_been_stopped: scope.datagrams_audited,
        },
    }
}
