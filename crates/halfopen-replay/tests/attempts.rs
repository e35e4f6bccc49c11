//! Packets become attempts with their outcomes.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::{Options, Overflow, Replay, Totals};
use recording::{Captured, Ends, MS, SECOND, ZERO, capture, input, policy, replay};

fn ends(number: u16) -> Ends {
    Ends::new("192.0.2.1", 30_000 + number, "198.51.100.7", 443)
}

fn recorded(all: Vec<Captured>) -> (Totals, Overflow) {
    let replayed = replay(&["off"], capture(all));
    (replayed.recorded, replayed.overflow)
}

#[test]
fn each_outcome_is_told_apart() {
    let at = |second| ZERO + second * SECOND;
    let (totals, _) = recorded(vec![
        ends(1).syn(at(0)),
        ends(1).answer(at(0) + 20 * MS),
        ends(2).syn(at(0)),
        ends(2).reset(at(0) + 20 * MS),
        ends(3).syn(at(0)),
        ends(3).unreachable(at(3), 1),
        ends(4).syn(at(0)),
        ends(5).syn(at(30)),
        ends(5).answer(at(31)),
    ]);
    assert_eq!(totals, Totals { attempts: 5, answered: 2, turned_down: 2, silent: 1 });
}

#[test]
fn re_sends_belong_to_their_attempt_and_a_new_number_begins_another() {
    let at = |ms| ZERO + ms * MS;
    let re_sent = [0, 1_000, 2_000, 3_000, 4_000, 5_000, 7_000, 11_000, 19_000, 35_000, 67_000];
    let mut all: Vec<_> = re_sent.map(|ms| ends(1).syn(at(ms))).into();
    all.push(ends(1).answer(at(67_020)));
    // As the original sends them.
    all.extend([0, 3_000, 9_000].map(|ms| ends(2).syn(at(ms))));
    // The port is used again.
    all.extend([ends(3).syn_with(at(0), 1), ends(3).syn_with(at(500), 2), ends(3).answer(at(520))]);
    let (totals, overflow) = recorded(all);
    assert_eq!(totals, Totals { attempts: 4, answered: 2, turned_down: 0, silent: 2 });
    assert_eq!(overflow.open_at_the_end, 0);
}

#[test]
fn what_is_seen_twice_or_late_is_no_attempt() {
    let at = |ms| ZERO + ms * MS;
    let (totals, overflow) = recorded(vec![
        ends(1).syn(at(0)),
        // On another interface, and sent again because the answer was lost behind it.
        ends(1).syn(at(1)),
        ends(1).answer(at(20)),
        ends(1).syn(at(1_000)),
        ends(1).answer(at(1_020)),
        // Nobody has asked.
        ends(2).answer(at(20)),
        ends(2).reset(at(30)),
        // The end of a connection that was answered.
        ends(1).reset(at(2_000)),
    ]);
    assert_eq!(totals, Totals { attempts: 1, answered: 1, turned_down: 0, silent: 0 });
    assert_eq!(overflow.seen_twice, 2);
}

#[test]
fn time_does_not_go_back() {
    let all = vec![ends(1).syn(ZERO + SECOND), ends(2).syn(ZERO), ends(1).answer(ZERO + SECOND + MS)];
    let file = recording::PLAIN.file(recording::Link::Ethernet, &all);
    let replayed = replay(&["xp-sp2"], file);
    assert_eq!((replayed.recorded.attempts, replayed.overflow.out_of_order), (2, 1));
}

#[test]
fn recordings_are_replayed_one_after_the_other() {
    let mut replay = Replay::new(vec![policy("off")], Options::default());
    replay.read(input(capture(vec![ends(1).syn(ZERO)]))).unwrap();
    replay.read(input(capture(vec![ends(1).answer(ZERO + 20 * MS)]))).unwrap();
    let replayed = replay.finish();
    assert_eq!(replayed.recorded, Totals { attempts: 1, answered: 1, turned_down: 0, silent: 0 });
    assert_eq!(replayed.inputs.len(), 2);
}

#[test]
fn only_wanted_sources_count() {
    let other = Ends::new("2001:db8::1", 1, "2001:db8::2", 443);
    let file = capture(vec![ends(1).syn(ZERO), other.syn(ZERO), other.answer(ZERO + MS)]);
    for (net, answered) in [("192.0.2.0/24", 0), ("2001:db8::/64", 1)] {
        let options = Options { sources: vec![net.parse().unwrap()] };
        let mut replay = Replay::new(vec![policy("off")], options);
        replay.read(input(file.clone())).unwrap();
        let totals = replay.finish().recorded;
        assert_eq!((totals.attempts, totals.answered), (1, answered), "{net}");
    }
}
