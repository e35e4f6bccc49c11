//! What policies do to recorded attempts.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::{PolicyReport, Replayed};
use recording::{Captured, Ends, MS, SECOND, ZERO, capture, input, policy, replay};
use std::net::{IpAddr, Ipv4Addr};

/// The n-th of many addresses, each in a network of its own.
fn stranger(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc600_0000 + (number << 8) + 7).into()
}

fn dial(from: &str, number: u32, port: u16) -> Ends {
    Ends { from: from.parse().unwrap(), from_port: number as u16, to: stranger(number), to_port: port }
}

/// Dials dead addresses, each with one re-send.
fn scan(from: &str, count: u32, gap: u64) -> Vec<Captured> {
    let dials = (0..count).flat_map(|number| {
        let (ends, at) = (dial(from, number, 445), ZERO + u64::from(number) * gap);
        [ends.syn(at), ends.syn(at + SECOND)]
    });
    dials.collect()
}

/// Dials live addresses, each answered after `round_trip`.
fn browse(from: &str, first: u32, count: u32, gap: u64, round_trip: u64) -> Vec<Captured> {
    let dials = (0..count).flat_map(|number| {
        let (ends, at) = (dial(from, first + number, 443), ZERO + u64::from(number) * gap);
        [ends.syn(at), ends.answer(at + round_trip)]
    });
    dials.collect()
}

fn of<'a>(replayed: &'a Replayed, name: &str) -> &'a PolicyReport {
    replayed.policies.iter().find(|policy| policy.policy == name).unwrap()
}

#[test]
fn adaptive_stops_a_scan_says_why_and_leaves_another_host_alone() {
    let all = [scan("10.0.0.1", 3_000, 20 * MS), browse("10.0.0.2", 5_000, 300, 50 * MS, 30 * MS)].concat();
    let replayed = replay(&["adaptive", "off"], capture(all));
    let adaptive = of(&replayed, "adaptive");
    assert_eq!((adaptive.suspects, adaptive.sources.len()), (1, 1));
    let scanner = &adaptive.sources[0];
    assert_eq!(scanner.source, "10.0.0.1".parse::<IpAddr>().unwrap());
    let suspect = scanner.suspect.as_ref().unwrap();
    assert_eq!((suspect.answered, suspect.port), (0, Some(445)));
    // 32 credits, two a second and then fewer.
    assert!((30..=50).contains(&suspect.first_contacts), "{suspect:?}");
    let out = scanner.recorded.attempts - scanner.effect.gave_up - scanner.effect.refused;
    assert!((32..=70).contains(&out), "{out} went out: {scanner:?}");
    let off = of(&replayed, "off");
    assert_eq!((off.all.delayed.count, off.suspects, off.sources.len()), (0, 0, 0));
}

#[test]
fn xp_sp2_lets_ten_out_and_then_ten_a_second() {
    // All are answered after three seconds, so each holds its slot for as long: only slots limit.
    let slots = replay(&["xp-sp2"], capture(browse("10.0.0.2", 0, 40, MS, 3 * SECOND)));
    let all = &of(&slots, "xp-sp2").all;
    assert_eq!((all.delayed.count, all.answered_delayed.count, all.answered_delayed.over_1s), (30, 30, 30));
    assert!((9_000..12_000).contains(&all.delayed.longest_ms), "{all:?}");
    // All answered at once: only turns limit, ten a second.
    let turns = replay(&["xp-sp2"], capture(browse("10.0.0.2", 0, 110, MS / 10, 500 * MS)));
    let all = &of(&turns, "xp-sp2").all;
    assert_eq!(all.delayed.count, 100);
    assert!((9_000..11_500).contains(&all.delayed.longest_ms), "{all:?}");
}

#[test]
fn an_attempt_that_waits_is_answered_as_long_after_its_syn_as_in_the_recording() {
    // Ten at once are answered after two seconds; what comes then has their slots, and waits for no more than that.
    let first = browse("10.0.0.2", 0, 10, 0, 2 * SECOND);
    let then = browse("10.0.0.2", 100, 10, 0, 2 * SECOND);
    let last = browse("10.0.0.2", 200, 10, 0, 2 * SECOND);
    let replayed = replay(&["xp-sp2"], capture([first, then, last].concat()));
    let all = &of(&replayed, "xp-sp2").all;
    assert_eq!(all.answered_delayed.count, 20);
    // The answers of the second ten come two seconds after they were let out, not after they were dialled.
    assert!((4_000..6_000).contains(&all.delayed.longest_ms), "{all:?}");
}

#[test]
fn an_attempt_that_is_let_out_before_its_recorded_answer_is_answered_later_too() {
    let mut slots = policy("xp-sp2");
    slots.host.as_mut().unwrap().drain = None;
    let mut replay = halfopen_replay::Replay::new(vec![slots], halfopen_replay::Options::default());
    // The first ten are answered after one second, the others after two: those that begin then hold their slots until the
    // third second, though their answers were recorded in the second.
    let first = browse("10.0.0.2", 0, 10, 0, SECOND);
    replay.read(input(capture([first, browse("10.0.0.2", 100, 20, 0, 2 * SECOND)].concat()))).unwrap();
    let all = replay.finish().policies[0].all;
    assert!((3_000..3_200).contains(&all.answered_delayed.longest_ms), "{all:?}");
}

#[test]
fn what_is_refused_is_told_with_what_would_have_been_answered() {
    let mut tight = policy("xp-sp2");
    tight.host.as_mut().unwrap().queue = 5;
    let mut replay = halfopen_replay::Replay::new(vec![tight], halfopen_replay::Options::default());
    let dead = scan("10.0.0.1", 12, 0);
    replay.read(input(capture([dead, browse("10.0.0.1", 100, 20, MS, 30 * MS)].concat()))).unwrap();
    let replayed = replay.finish();
    let all = &replayed.policies[0].all;
    assert_eq!(all.refused, 12 + 20 - 15);
    assert_eq!(all.answered_refused, 17, "{all:?}");
}

#[test]
fn those_that_give_up_are_told_with_what_would_have_been_answered() {
    let mut hasty = policy("xp-sp2");
    hasty.host.as_mut().unwrap().max_wait = Some(std::time::Duration::from_secs(2));
    hasty.host.as_mut().unwrap().drain = halfopen_policy::Rate::new(1, std::time::Duration::from_secs(10));
    let mut replay = halfopen_replay::Replay::new(vec![hasty], halfopen_replay::Options::default());
    let file = capture([scan("10.0.0.1", 10, 0), browse("10.0.0.1", 100, 4, 0, 30 * MS)].concat());
    replay.read(input(file)).unwrap();
    let all = replay.finish().policies[0].all;
    assert_eq!((all.gave_up, all.answered_gave_up), (4, 4), "{all:?}");
    assert_eq!(all.delayed.longest_ms, 2_000);
}

#[test]
fn several_policies_do_not_disturb_each_other() {
    let all = [scan("10.0.0.1", 400, 20 * MS), browse("10.0.0.2", 5_000, 100, 50 * MS, 30 * MS)].concat();
    let together = replay(&["adaptive", "xp-sp2", "virus-throttle"], capture(all.clone()));
    for name in ["adaptive", "xp-sp2", "virus-throttle"] {
        let alone = replay(&[name], capture(all.clone()));
        assert_eq!(of(&alone, name), of(&together, name), "{name}");
    }
}

#[test]
fn an_address_that_was_tried_or_has_answered_costs_nothing_again() {
    // Forty strangers are too many for the credit of 32, forty attempts to one stranger are not.
    let same = |number: u32| Ends { from_port: number as u16, ..dial("10.0.0.1", 1, 80) };
    let dials: Vec<_> = (0..40).map(|number| same(number).syn(ZERO + u64::from(number) * MS)).collect();
    let replayed = replay(&["adaptive"], capture(dials));
    assert_eq!(of(&replayed, "adaptive").all.delayed.count, 0);
    let strangers: Vec<_> = (0..40).map(|number| dial("10.0.0.1", number, 80).syn(ZERO)).collect();
    let replayed = replay(&["adaptive"], capture(strangers));
    assert_eq!(of(&replayed, "adaptive").all.delayed.count, 8);
}

#[test]
fn exempt_destinations_are_not_held() {
    let mut exempting = policy("adaptive");
    exempting.exempt = vec!["198.0.0.0/8".parse().unwrap()];
    let mut replay = halfopen_replay::Replay::new(vec![exempting], halfopen_replay::Options::default());
    replay.read(input(capture(scan("10.0.0.1", 200, MS)))).unwrap();
    let replayed = replay.finish();
    assert_eq!((replayed.recorded.attempts, replayed.policies[0].all.delayed.count), (200, 0));
}

#[test]
fn open_connections_are_not_counted_but_new_ones_are() {
    use halfopen_policy::{Connections, Limits};
    let replayed = |connections| {
        let mut limited = policy("adaptive");
        limited.own = limited.own.map(|limits| Limits { connections, ..limits });
        let mut replay = halfopen_replay::Replay::new(vec![limited], halfopen_replay::Options::default());
        replay.read(input(capture(browse("10.0.0.2", 0, 20, 10 * MS, MS)))).unwrap();
        replay.finish().policies[0].all.delayed
    };
    let open = replayed(Connections { established: Some(1), ..Connections::default() });
    assert_eq!(open.count, 0);
    let rate = halfopen_policy::ConnectRate { rate: "10/s".parse().unwrap(), burst: Some(1) };
    let rate = replayed(Connections { rate: Some(rate), ..Connections::default() });
    assert!(rate.count >= 18 && (1_500..2_500).contains(&rate.longest_ms), "{rate:?}");
}
