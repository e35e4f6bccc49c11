//! Audit mode learns how long attempts would have waited: as long as they do wait, with the same programs, when the limit
//! is enforced.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::Value;
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

fn json(limiter: &Limiter, arguments: &[&str]) -> Value {
    serde_json::from_str(&ask_well(limiter, arguments)).unwrap()
}

/// Ends the daemon, and returns three percentiles of the waits in its history, in milliseconds.
fn waits(limiter: &mut Limiter, name: &str) -> [u64; 3] {
    limiter.signal(Signal::TERM).unwrap();
    limiter.await_end(PATIENCE).unwrap();
    let history = json(limiter, &["history", "--json"]);
    let rows = history["minutes"].as_array().unwrap().iter();
    let of = |row: &Value, percent| row[format!("{name}_p{percent}_ms")].as_u64();
    let found = rows.filter(|row| row["account"] == "host");
    // A test may run into the next minute, which then has the longest waits.
    found.filter_map(|row| Some([of(row, 50)?, of(row, 90)?, of(row, 99)?])).max().unwrap()
}

struct Setting {
    half_open: u32,
    limits: &'static [(&'static str, &'static str)],
    /// Whom a program dials at once.
    first: Mix,
    /// Whom another one dials after so many of the first have been answered.
    then: Option<(usize, Mix)>,
    /// How many have to wait.
    wait: i64,
}

impl Setting {
    fn start(&self, lab: &Lab, mode: &str) -> (Limiter, Vec<Dialling>) {
        let mut limiter = limit(lab, self.half_open).set("mode", mode);
        for (key, value) in self.limits {
            limiter = limiter.set(key, value);
        }
        let limiter = limiter.start().unwrap();
        let dial = |mix: &Mix| {
            let hosts = lab.draw(mix).unwrap();
            Dialer::new(lab).destinations(hosts.destinations()).spawn().unwrap()
        };
        let mut dialling = vec![dial(&self.first)];
        if let Some((answers, mix)) = &self.then {
            dialling[0].await_reports(*answers, PATIENCE).unwrap();
            dialling.push(dial(mix));
        }
        (limiter, dialling)
    }

    fn enforced(&self) -> [u64; 3] {
        let lab = Lab::new().unwrap();
        let (mut limiter, _dialling) = self.start(&lab, "enforce");
        let all_are_out = |status: &testkit::Status| status.host.released == self.wait;
        limiter.await_status("all to be let out", 6 * PATIENCE, all_are_out).unwrap();
        waits(&mut limiter, "wait")
    }

    fn audited(&self) -> [u64; 3] {
        let lab = Lab::new().unwrap();
        let (mut limiter, _dialling) = self.start(&lab, "audit");
        let learned = until("all waits to be learned", 6 * PATIENCE, || {
            let learned = json(&limiter, &["status", "--json"])["learned"].clone();
            (learned["would_have_gone_out"] == self.wait).then_some(learned)
        });
        let told = ["p50_ms", "p90_ms", "p99_ms"].map(|name| learned[name].as_u64().unwrap());
        let host = &json(&limiter, &["status", "--json"])["host"];
        assert_eq!(
            (&host["queued"], &host["released"]),
            (&0.into(), &0.into()),
            "audit mode holds nothing: {host}"
        );
        assert!(ask_well(&limiter, &["status"]).contains("audit: enforcing would have let"), "{learned}");
        assert_eq!(waits(&mut limiter, "would_wait")[2], told[2], "{learned}");
        told
    }

    fn both_agree(&self) {
        let (enforced, audited) = (self.enforced(), self.audited());
        println!("enforced {enforced:?} ms, audited {audited:?} ms");
        for (enforced, audited) in enforced.iter().zip(audited) {
            // Percentiles are an eighth too high at most. On a busy machine a waiter is woken late, and never early.
            let agree = enforced / 2..=enforced + enforced / 3 + 200;
            assert!(agree.contains(&audited), "enforced {enforced} ms, audited {audited} ms");
        }
    }
}

/// Audit mode finds free slots for the second program, but enforcing has a queue by then.
#[test]
fn turns_are_learned_also_of_those_behind_others() {
    require_lab!();
    // One that was held sends its SYN again sooner than one that was not: turns are to be what all wait for, not slots.
    let first = Mix { slow: 20, ..Mix::default() };
    let then = Some((10, Mix { live: 15, ..Mix::default() }));
    Setting { half_open: 10, limits: &[("drain", "5/s")], first, then, wait: 25 }.both_agree();
}

#[test]
fn slots_of_silent_peers_are_learned() {
    require_lab!();
    let (first, limits) =
        (Mix { dead: 12, ..Mix::default() }, &[("slot_life", "2s"), ("drain", "unlimited")]);
    Setting { half_open: 3, limits, first, then: None, wait: 9 }.both_agree();
}
