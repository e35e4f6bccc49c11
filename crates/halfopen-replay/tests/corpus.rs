//! Writes small recordings of every form for libFuzzer to begin with:
//! `cargo test -p halfopen-replay --test corpus -- --ignored`.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_replay::trace::{Ended, Outcome, Record, encoded};
use recording::{Captured, Ends, Form, Link, MS, SECOND, ZERO, gzip, own, zstd};
use std::fs;
use std::path::Path;

fn packets() -> Vec<Captured> {
    let four = Ends::new("192.0.2.1", 40_000, "198.51.100.7", 443);
    let six = Ends::new("2001:db8::1", 40_001, "2001:db8:1::7", 80);
    let mut all = vec![
        four.syn(ZERO),
        four.answer(ZERO + MS),
        four.syn_with(ZERO + SECOND, 9),
        four.unreachable(ZERO + SECOND + MS, 1),
    ];
    all.extend([six.syn(ZERO + 2 * SECOND), six.syn(ZERO + 3 * SECOND), six.reset(ZERO + 3 * SECOND + MS)]);
    all
}

#[test]
#[ignore = "writes crates/fuzz/corpus"]
fn write() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let [captures, logs, traces] =
        ["captures", "connection_logs", "traces"].map(|target| corpus.join(target));
    fs::create_dir_all(&captures).unwrap();
    fs::create_dir_all(&logs).unwrap();
    fs::create_dir_all(&traces).unwrap();
    for (number, form) in Form::ALL.into_iter().enumerate() {
        for link in Link::ALL {
            fs::write(
                captures.join(format!("{link:?}-{number}").to_lowercase()),
                form.file(link, &packets()),
            )
            .unwrap();
        }
    }
    let plain = recording::PLAIN.file(Link::Ethernet, &packets());
    fs::write(captures.join("gzip"), gzip(&plain)).unwrap();
    fs::write(captures.join("zstd"), zstd(&plain)).unwrap();
    fs::write(logs.join("zeek-tsv"), recording::logs::ZEEK).unwrap();
    fs::write(logs.join("zeek-json"), recording::logs::zeek_json()).unwrap();
    fs::write(logs.join("eve"), recording::logs::eve()).unwrap();
    let mut records = vec![own::program(0, "curl", "shop.service")];
    for (number, outcome) in (0..).zip(Outcome::ALL) {
        records.push(Record::Attempt(own::attempt(0, u64::from(number) * own::S, number, outcome)));
    }
    records.extend([Record::Lost(3), Record::End(Ended::Asked)]);
    fs::write(traces.join("whole"), own::file(&records)).unwrap();
    for (number, record) in records.iter().enumerate() {
        // Its content: what comes before is a byte of length, what follows is the checksum.
        let record = encoded(record);
        fs::write(traces.join(format!("content-{number:02}")), &record[1..record.len() - 2]).unwrap();
    }
}
