//! Memory stays bounded whatever is recorded. A program of its own: it looks at the most that the process ever had.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::{Address, Flow, Observation, Options, Replay, Seen};
use recording::{SECOND, ZERO, policy};
use std::net::Ipv4Addr;

const MOST: u64 = 200 << 20;
const HOSTS: u32 = 1_000_000;
const SCANNED: u32 = 300_000;

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn address(number: u32) -> Address {
    Ipv4Addr::from_bits(0x1000_0000 + number).into()
}

fn replay_of(flows: impl Iterator<Item = (u64, Flow)>) -> halfopen_replay::Replayed {
    let mut replay = Replay::new(vec![policy("adaptive"), policy("xp-sp2")], Options::default());
    for (number, (at, flow)) in flows.enumerate() {
        replay.observe(&Observation { at, flow, seen: Seen::Syn(number as u32) });
        // One in three is answered.
        if number % 3 == 0 {
            replay.observe(&Observation { at, flow, seen: Seen::Answer });
        }
    }
    replay.finish()
}

#[test]
fn a_million_hosts_that_dial_and_are_dialled_fit() {
    // Each dials once; a hundred thousand attempts a second are more than are kept until they are silent.
    let dials = (0..HOSTS).map(|number| {
        let flow = Flow {
            from: address(number % HOSTS),
            to: address(number.wrapping_mul(2_654_435_761) % HOSTS),
            from_port: number as u16,
            to_port: 80,
        };
        (ZERO + u64::from(number) * (SECOND / 100_000), flow)
    });
    let replayed = replay_of(dials);
    assert_eq!(replayed.recorded.attempts, u64::from(HOSTS));
    let policy = &replayed.policies[0];
    assert!(policy.other_sources >= u64::from(HOSTS) / 2, "{} together", policy.other_sources);
    let overflow = replayed.overflow;
    assert!(overflow.hurried > 0, "what was left out is told: {overflow:?}");

    // A scanner of many addresses.
    let scan = (0..SCANNED).map(|number| {
        let flow = Flow { from: address(0), to: address(1 + number), from_port: number as u16, to_port: 445 };
        (ZERO + u64::from(number) * (SECOND / 10_000), flow)
    });
    let replayed = replay_of(scan);
    assert_eq!((replayed.recorded.attempts, replayed.overflow.hurried), (u64::from(SCANNED), 0));
    assert!(peak() < MOST, "{} MiB", peak() >> 20);
    println!("at most {} MiB", peak() >> 20);
}
