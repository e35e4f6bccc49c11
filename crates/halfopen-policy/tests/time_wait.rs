//! How long connections that have ended count, to the tick, and turns of attempts that leave before they were sent.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::{
    Accounting, AttemptId, ConnectRate, Connections, Ending, Limits, Mode, Origin, Overflow, Rate, ScopeId,
    Verdict,
};
use proptest::prelude::*;
use std::time::Duration;

const S: u64 = 1_000_000_000;
const START: u64 = 1_000 * S;
/// TIME_WAIT_SHIFT of the kernel part.
const TICK_SHIFT: u32 = 33;

fn account(connections: Connections) -> (Accounting, Origin, ScopeId) {
    let open =
        Limits { half_open: None, drain: None, strict: false, overflow: Overflow::Wait, ..Limits::xp_sp2() };
    let mut accounting = Accounting::new(Mode::Enforce, open);
    let own = accounting.open_scope(Limits { connections, ..open });
    (accounting, Origin { own: Some(own), port: 443, ..Origin::default() }, own)
}

fn connects(accounting: &mut Accounting, now: u64, origin: Origin) -> AttemptId {
    let (id, verdict) = accounting.begin(now, origin);
    assert_eq!(verdict, Verdict::Go);
    accounting.end(now, id, Ending::Established, 0);
    id
}

proptest! {
    /// One that has ended counts for the time set, and until the tick in which that passes is over.
    #[test]
    fn an_ended_connection_counts_until_its_tick_is_over(
        seconds in Connections::TIME_WAIT.0.as_secs()..=Connections::TIME_WAIT.1.as_secs(),
        steps in prop::collection::vec((0..90_u64, 0..4_usize), 1..60),
    ) {
        let connections = Connections {
            established: Some(100_000),
            time_wait: Some(Duration::from_secs(seconds)),
            ..Connections::default()
        };
        let (mut accounting, origin, own) = account(connections);
        let (mut now, mut last_ticks) = (START, Vec::new());
        for (later, ended) in steps {
            now += later * S;
            for _ in 0..=ended {
                let connection = connects(&mut accounting, now, origin);
                accounting.close(now, connection);
                last_ticks.push((now + seconds * S) >> TICK_SHIFT);
            }
            let count = last_ticks.iter().filter(|tick| now >> TICK_SHIFT <= **tick).count();
            prop_assert_eq!(accounting.ledger(own, now).connections.ended, count as u64);
        }
    }
}

#[test]
fn the_open_and_the_ended_count_together() {
    let connections = Connections {
        established: Some(3),
        time_wait: Some(Duration::from_mins(2)),
        ..Connections::default()
    };
    let (mut accounting, origin, _) = account(connections);
    let [ended, _open, _other] = [(); 3].map(|()| connects(&mut accounting, START, origin));
    accounting.close(START, ended);
    assert_eq!(accounting.begin(START, origin).1, Verdict::Hold, "two are open, and one has ended");
}

/// Of an attempt that rules send elsewhere before its packet has left, the rate is as if it had not been.
#[test]
fn who_leaves_unsent_gives_its_turn_back() {
    let rate = Rate::new(1, Duration::from_secs(10)).unwrap();
    let connections =
        Connections { rate: Some(ConnectRate { rate, burst: Some(1) }), ..Connections::default() };
    let (mut accounting, origin, _) = account(connections);
    let (unsent, verdict) = accounting.begin(START, origin);
    assert_eq!(verdict, Verdict::Go);
    accounting.withdraw(START, unsent, false);
    let (sent, verdict) = accounting.begin(START, origin);
    assert_eq!(verdict, Verdict::Go, "the turn is back");
    accounting.withdraw(START, sent, true);
    assert_eq!(accounting.begin(START, origin).1, Verdict::Hold, "the turn is used");
}
