//! Which attempts the reconcile walk ends: those whose sockets must have ended, and no other.

use halfopen_policy::gone::Socket;

const S: u64 = 1_000_000_000;
const BEGAN: u64 = 1_000 * S;

fn socket(heard_of: u64, walk: Option<(u64, bool)>) -> Socket {
    Socket { began: BEGAN, heard_of, walk }
}

#[test]
fn one_that_a_walk_has_met_lives_however_long_it_was_silent() {
    for heard_of in [0, BEGAN + S] {
        assert!(!socket(heard_of, Some((BEGAN + 900 * S, true))).is_gone(BEGAN + 901 * S));
    }
}

#[test]
fn one_that_a_walk_has_passed_by_is_gone_if_it_is_older() {
    assert!(socket(0, Some((BEGAN + S, false))).is_gone(BEGAN + 2 * S));
    assert!(!socket(0, Some((BEGAN - S, false))).is_gone(BEGAN + 2 * S));
}

/// Its timers are at most two minutes apart.
#[test]
fn without_a_walk_one_is_gone_after_five_minutes_of_silence() {
    assert!(!socket(0, None).is_gone(BEGAN + 290 * S));
    assert!(socket(0, None).is_gone(BEGAN + 310 * S));
    assert!(!socket(BEGAN + 200 * S, None).is_gone(BEGAN + 490 * S));
    assert!(socket(BEGAN + 200 * S, None).is_gone(BEGAN + 510 * S));
}
