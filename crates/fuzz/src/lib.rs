//! What several targets hold true.

use halfopen_policy::{FirstContact, Limits};
use halfopen_replay::input::Input;
use halfopen_replay::{Options, Policy, Replay};
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

fn policy(name: &str, host: Limits) -> Policy {
    let known_for = Duration::from_hours(1);
    Policy { name: name.into(), host: Some(host), own: None, accounts: None, exempt: Vec::new(), known_for }
}

/// Replays a recording under two policies: whatever came of each attempt, it is counted once.
pub fn replayed(bytes: &[u8]) {
    let Ok(input) = Input::of(Box::new(Cursor::new(bytes.to_vec())), Path::new("fuzz")) else { return };
    let adaptive = Limits { first_contact: Some(FirstContact::adaptive()), ..Limits::xp_sp2() };
    let policies = vec![policy("xp-sp2", Limits::xp_sp2()), policy("adaptive", adaptive)];
    let mut replay = Replay::new(policies, Options::default());
    // Damaged compression is an error; what came before it counts.
    let _ = replay.read(input);
    let replayed = replay.finish();
    let all = replayed.recorded;
    assert_eq!(all.attempts, all.answered + all.turned_down + all.silent, "{replayed:?}");
    assert_eq!(replayed.overflow.hurried + replayed.overflow.unjudged, 0, "{replayed:?}");
    for policy in &replayed.policies {
        let of = policy.all;
        assert!(of.delayed.count + of.refused <= all.attempts, "{policy:?}");
        assert!(
            of.answered_delayed.count + of.answered_gave_up + of.answered_refused <= all.answered,
            "{policy:?}"
        );
        assert!(of.gave_up <= of.delayed.count && of.answered_gave_up <= of.gave_up, "{policy:?}");
    }
}
