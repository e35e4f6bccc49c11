//! The numbers of docs/measurements/trust.md: what a limiter costs a node that looks for its peers, and what it leaves to a scanner.
//!
//! `cargo test --release -p halfopen-policy --test workloads trust_page -- --ignored --nocapture` writes them there.

use crate::draws::{DAY, HOUR, SCAN, Times, all, drawn, draws, mean_dead};
use crate::limiter::{self, Limiter};
use halfopen_policy::{FirstContact, Rate, Share};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;
use testkit::workload::{Probe, named, probe};

const BEGIN: &str = "<!-- written by the command -->\n";
const END: &str = "<!-- until here -->\n";

fn adaptive(setting: impl FnOnce(&mut FirstContact)) -> Limiter {
    let mut limiter = limiter::adaptive();
    if let Some(first) = limiter.own.as_mut().and_then(|own| own.first_contact.as_mut()) {
        setting(first);
    }
    limiter
}

fn with_shares(scan: u16, peers: u16) -> Limiter {
    adaptive(|first| {
        first.answers_of_a_scan = Share::new(scan);
        first.answers_of_peers = Share::new(peers).unwrap();
    })
}

fn limiters() -> Vec<(&'static str, Limiter)> {
    let credit = |credit| adaptive(|first| first.credit = credit);
    let rate = |releases| adaptive(|first| first.rate = Rate::new(releases, Duration::from_secs(1)).unwrap());
    vec![
        ("no limiter", limiter::none()),
        ("xp-sp2", limiter::xp_sp2()),
        ("virus-throttle", limiter::virus_throttle()),
        ("**adaptive**", limiter::adaptive()),
        ("`first_contacts = 10`", credit(10)),
        ("`first_contacts = 64`", credit(64)),
        ("`credit_rate = \"1/s\"`", rate(1)),
        ("`credit_rate = \"8/s\"`", rate(8)),
        ("`answers_of_peers = \"5%\"`", with_shares(20, 50)),
        ("`answers_of_peers = \"20%\"`", with_shares(20, 200)),
        ("`answers_of_peers = \"30%\"`", with_shares(20, 300)),
        ("`answers_of_a_scan = \"0.5%\"`", with_shares(5, 100)),
    ]
}

/// How many draws got their peers, and how long those at the middle and late took.
fn start(limiter: &Limiter, name: &str) -> String {
    let peers = named(name, 0).unwrap().wanted().unwrap();
    let outcomes = all(name, limiter);
    let times = Times::of(outcomes.iter().map(|one| one.when_connected(peers)));
    let shown = |percent| match times.seconds(percent) {
        seconds if seconds.is_finite() => format!("{seconds:.0} s"),
        _ => "never".to_owned(),
    };
    format!("{} %, {} / {}", times.had() * 100 / times.draws(), shown(50), shown(95))
}

/// The mean of a few draws, by the end of each time.
fn dead(limiter: &Limiter, live_percent: usize, draws: u64, within: &[Duration]) -> Vec<usize> {
    let longest = *within.last().unwrap();
    let outcomes = drawn(limiter, draws, |seed| probe(seed, live_percent, Probe::Threads, longest));
    within.iter().map(|time| mean_dead(&outcomes, *time)).collect()
}

fn rows() -> String {
    let mut rows = String::from(
        "| limiter | node, 15 % answer | node, 8 % answer | scan, none answer: 45 s | 1 h | 1 day | 2 % answer: 45 s | 1 h |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, limiter) in limiters() {
        let [of_15, of_8] = ["p-15-20", "p-8-20"].map(|node| start(&limiter, node));
        let none = dead(&limiter, 0, 1, &[SCAN, HOUR, DAY]);
        let two = dead(&limiter, 2, 20, &[SCAN, HOUR]);
        let numbers: Vec<String> = none.iter().chain(&two).map(usize::to_string).collect();
        let row = format!("| {name} | {of_15} | {of_8} | {} |", numbers.join(" | "));
        println!("{row}");
        writeln!(rows, "{row}").unwrap();
    }
    rows
}

#[test]
#[ignore = "writes docs/measurements/trust.md"]
fn the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measurements/trust.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let drawn = format!(
        "{} draws of each node's start, one day of the scan that nobody answers, 20 hours of the other.",
        draws()
    );
    fs::write(&page, format!("{before}{BEGIN}{drawn}\n\n{}{END}{after}", rows())).unwrap();
}
