//! Logs of Zeek and Suricata tell the same as packets.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::{Observation, Refusal, Seen};
use recording::logs::{ZEEK, eve, zeek_json};
use recording::{MS, SECOND, gzip, read, replay};
use std::fmt::Write;

/// From when on, in milliseconds, and to which port, what was seen.
fn told(all: &[Observation]) -> Vec<(u64, u16, &'static str)> {
    let zero = recording::ZERO;
    let seen = |seen| match seen {
        Seen::Syn(_) | Seen::SynOf(..) => "syn",
        Seen::Answer => "answer",
        Seen::Refusal(Refusal::Reset) => "reset",
        Seen::Refusal(Refusal::Unreachable) => "unreachable",
        Seen::GivenUp => "given up",
    };
    all.iter().map(|one| ((one.at - zero) / MS, one.flow.to_port, seen(one.seen))).collect()
}

#[test]
fn each_log_tells_the_same_in_the_order_of_time() {
    let expected = [
        (123, 445, "syn"),
        (1_000, 25, "syn"),
        (1_020, 25, "reset"),
        (1_123, 445, "syn"),
        (2_500, 443, "syn"),
        (2_550, 443, "answer"),
        (3_123, 445, "syn"),
    ];
    for (name, log) in [("TSV", ZEEK.to_owned()), ("JSON", zeek_json()), ("EVE", eve())] {
        for bytes in [log.clone().into_bytes(), gzip(log.as_bytes())] {
            let (found, counts) = read(bytes);
            assert_eq!(told(&found), expected, "{name}");
            assert_eq!((counts.records, counts.other, counts.damaged), (5, 2, 0), "{name}: {counts:?}");
        }
        let recorded = replay(&["off"], log.into_bytes()).recorded;
        let totals = (recorded.attempts, recorded.answered, recorded.turned_down, recorded.silent);
        assert_eq!(totals, (3, 1, 1, 1), "{name}");
    }
}

#[test]
fn wrong_lines_are_skipped_with_their_offset() {
    for (log, wrong) in [
        (ZEEK.to_owned(), "1700000001.0\tC2\t192.0.2.1\n"),
        (
            ZEEK.to_owned(),
            "x\tC2\t192.0.2.1\t1\t192.0.2.2\t2\ttcp\t-\t0\t0\t0\tS0\tT\tF\t0\tS\t1\t1\t0\t0\t-\n",
        ),
        (zeek_json(), "{\"ts\":1\n"),
        (zeek_json(), "{\"ts\":1700000001.0,\"proto\":\"tcp\"}\n"),
        (eve(), "{\"event_type\":\"flow\",\"proto\":\"TCP\"}\n"),
    ] {
        let (right, _) = read(log.clone().into_bytes());
        let at = log.rfind("\n#close").map_or(log.len(), |at| at + 1);
        let with = format!("{}{wrong}{}", &log[..at], &log[at..]);
        let (found, counts) = read(with.into_bytes());
        assert_eq!(told(&found), told(&right), "{wrong}");
        assert_eq!((counts.damaged, counts.damage[0].offset), (1, at as u64), "{wrong}");
    }
    let long = format!("{}{{\"ts\":\"{}\"}}\n{}", zeek_json(), "x".repeat(3 << 20), zeek_json());
    let (found, counts) = read(long.into_bytes());
    assert_eq!((found.len(), counts.damaged), (14, 1));
}

#[test]
fn a_log_that_is_cut_off_within_a_line_says_so() {
    let log = zeek_json();
    let (found, counts) = read(log.as_bytes()[..log.len() - 20].to_vec());
    assert!(counts.is_cut_off && counts.damaged == 0 && found.len() == 7, "{counts:?}");
}

#[test]
fn connections_end_long_after_they_began() {
    // One that lasted an hour is written last.
    let mut log = String::new();
    for number in 0..1_000_u64 {
        let _ = writeln!(
            log,
            r#"{{"ts":{},"id.orig_h":"192.0.2.1","id.orig_p":{number},"id.resp_h":"192.0.2.2","id.resp_p":80,"proto":"tcp","duration":1,"conn_state":"SF"}}"#,
            1_700_000_001 + number
        );
    }
    log += r#"{"ts":1700000000,"id.orig_h":"192.0.2.1","id.orig_p":9,"id.resp_h":"192.0.2.2","id.resp_p":81,"proto":"tcp","duration":3600,"conn_state":"SF"}"#;
    let (found, counts) = read(log.into_bytes());
    assert_eq!((found[0].at, found[0].flow.to_port, counts.late), (recording::ZERO, 81, 0));
    assert!(
        found.is_sorted_by_key(|one| one.at) && found.last().unwrap().at > recording::ZERO + 999 * SECOND
    );
}
