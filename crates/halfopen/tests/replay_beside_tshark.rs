//! What `replay` finds in a capture, beside what tshark's conversations say of it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::desk::{PATIENCE, has, program, said, until};
use testkit::{Dialer, Lab, Mix, require_lab};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    attempts: u64,
    answered: u64,
    turned_down: u64,
    silent: u64,
}

/// What tshark says of a field of each packet that `filter` lets through.
fn tshark(capture: &Path, arguments: &[&str]) -> String {
    let said = said(Command::new("tshark").arg("-n").arg("-r").arg(capture).args(arguments));
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

/// The lines of `-z conv,tcp`: the frames of each conversation that come back.
fn conversations(capture: &Path) -> Vec<u64> {
    let table = tshark(capture, &["-q", "-z", "conv,tcp"]);
    // ADDRESS:PORT <-> ADDRESS:PORT, then frames and bytes, from right to left first.
    let back = |line: &str| line.split_once("<->")?.1.split_whitespace().nth(1)?.parse().ok();
    table.lines().filter_map(back).collect()
}

/// The outcome of each stream by the first packet that comes back. ICMP errors have the stream of the packet that they
/// are about.
fn streams(capture: &Path) -> Counts {
    let fields =
        ["-T", "fields", "-e", "tcp.stream", "-e", "tcp.flags.syn", "-e", "tcp.flags.ack", "-e", "icmp.type"];
    let mut outcomes: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for line in tshark(capture, &fields).lines() {
        let mut fields = line.split('\t');
        // What is said ends with the last field that is not empty.
        let [stream, syn, ack, icmp] = std::array::from_fn(|_| fields.next().unwrap_or_default());
        let is_set = |flag: &str| ["1", "True"].contains(&flag);
        let answered = match (icmp.is_empty(), is_set(syn), is_set(ack)) {
            (true, true, true) => Some(true),
            (false, ..) | (true, false, true) => Some(false),
            _ => None,
        };
        let outcome = outcomes.entry(stream.to_owned()).or_default();
        *outcome = outcome.or(answered);
    }
    let count = |of| outcomes.values().filter(|outcome| **outcome == of).count() as u64;
    Counts {
        attempts: outcomes.len() as u64,
        answered: count(Some(true)),
        turned_down: count(Some(false)),
        silent: count(None),
    }
}

fn replayed(capture: &Path) -> Counts {
    let said = said(Command::new(program()).args(["replay", "--json"]).arg(capture));
    assert_eq!(said.code, Some(0), "{said:?}");
    let all: Value = serde_json::from_str(&said.out).unwrap();
    let count = |name: &str| all["recorded"][name].as_u64().unwrap();
    Counts {
        attempts: count("attempts"),
        answered: count("answered"),
        turned_down: count("turned_down"),
        silent: count("silent"),
    }
}

#[test]
fn tsharks_conversations_are_the_attempts_and_their_outcomes() {
    require_lab!();
    if !has("tshark", "tshark") {
        return;
    }
    let lab = Lab::new().unwrap();
    let mix = Mix { live: 40, dead: 30, refusing: 20, unreachable: 10, ..Mix::default() };
    let hosts = lab.draw(&mix).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("lab.pcap");
    let filter = "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 or icmp";
    let mut tcpdump = lab.client().command("tcpdump");
    tcpdump
        .args(["-i", "any", "-U", "--immediate-mode", "-s", "128", "-w"])
        .arg(&capture)
        .arg(filter)
        .stderr(Stdio::piped());
    let mut tcpdump = tcpdump.spawn().unwrap();
    let mut said = BufReader::new(tcpdump.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "tcpdump has ended");
    }
    let dialler = Dialer::new(&lab).destinations(hosts.destinations()).spawn().unwrap();
    let asked = mix.live + mix.refusing + mix.unreachable;
    dialler.await_reports(asked, PATIENCE).unwrap();
    drop(dialler);
    until("all are in the file", PATIENCE, || (replayed(&capture).attempts == 100).then_some(()));
    kill_process(Pid::from_child(&tcpdump), Signal::INT).unwrap();
    tcpdump.wait().unwrap();

    let replayed = replayed(&capture);
    let expected = Counts { attempts: 100, answered: 40, turned_down: 30, silent: 30 };
    assert_eq!(replayed, expected);
    assert_eq!(streams(&capture), expected);
    let conversations = conversations(&capture);
    assert_eq!(conversations.len(), 100);
    // An ICMP error is no packet of the conversation.
    assert_eq!(conversations.iter().filter(|back| **back > 0).count(), 60);
}
