//! How fast recordings are replayed, from the page cache, by one thread's processor time: `cargo bench -p halfopen-replay`, and after `--` a
//! part of the names of rows.

#![allow(clippy::unwrap_used)]

#[path = "../tests/recording/mod.rs"]
mod recording;

use halfopen_replay::input::Input;
use halfopen_replay::{Options, Policy, Replay};
use recording::{Ends, Link, MS, PLAIN, SECOND, ZERO, policy};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

const PACKETS: u32 = 1_000_000;
const LARGE_PACKETS: u32 = 400_000;
const LARGE: usize = 900;

fn ends(from: u32, number: u32) -> Ends {
    Ends {
        from: Ipv4Addr::from_bits(0x0a00_0000 + from).into(),
        from_port: 1_024 + (number % 60_000) as u16,
        to: Ipv4Addr::from_bits(0x2000_0000 + number.wrapping_mul(2_654_435_761) / 8).into(),
        to_port: 445,
    }
}

/// A file of packets, of which `packet` says the number, and at what time each comes.
fn file(at: &Path, count: u32, every: u64, packet: impl Fn(u32, u64) -> recording::Captured) -> PathBuf {
    let mut file = BufWriter::new(File::create(at).unwrap());
    file.write_all(&PLAIN.beginning(Link::Ethernet)).unwrap();
    for number in 0..count {
        let captured = packet(number, ZERO + u64::from(number) * every);
        file.write_all(&PLAIN.packet(Link::Ethernet, &captured, usize::MAX)).unwrap();
    }
    file.flush().unwrap();
    at.to_owned()
}

fn row(what: &str, path: &Path, work: impl FnOnce(Input) -> u64) {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    if wanted.is_some_and(|wanted| !what.contains(&wanted)) {
        return;
    }
    let bytes = path.metadata().unwrap().len();
    let began = spent();
    let packets = work(Input::open(path).unwrap());
    let took = spent() - began;
    println!(
        "{what:44} {:7.2} million packets/s {:6.2} GB/s",
        packets as f64 / took / 1e6,
        bytes as f64 / took / 1e9
    );
}

/// The processor time of this thread, in seconds: others may be at work on this machine.
fn spent() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn replayed(policies: Vec<Policy>) -> impl FnOnce(Input) -> u64 {
    |input| {
        let mut replay = Replay::new(policies, Options::default());
        replay.read(input).unwrap();
        let replayed = replay.finish();
        if replayed.overflow.hurried + replayed.overflow.unjudged + replayed.overflow.begun_anew > 0 {
            println!("    {:?}", replayed.overflow);
        }
        replayed.inputs[0].records
    }
}

fn only_read(mut input: Input) -> u64 {
    while input.observation().unwrap().is_some() {}
    input.counts().records
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // Ten thousand new addresses a second, of one scanner, or of a thousand hosts.
    let scan =
        file(&at("scan.pcap"), PACKETS, SECOND / 10_000, |number, at| ends(1, number).syn_with(at, number));
    let hosts = file(&at("hosts.pcap"), PACKETS, SECOND / 10_000, |number, at| {
        ends(number % 1_000, number).syn_with(at, number)
    });
    let large = file(&at("large.pcap"), LARGE_PACKETS, MS / 10, |number, at| {
        let ends = ends(1, number / 50);
        let mut captured = match number % 50 {
            0 => ends.syn_with(at, number),
            1 => ends.answer(at),
            _ => ends.data(at),
        };
        if number % 50 > 1 {
            captured.packet.resize(LARGE, 0);
            captured.packet[2..4].copy_from_slice(&(LARGE as u16).to_be_bytes());
        }
        captured
    });
    let sets: [(&str, &[&str]); 4] = [
        ("no policy", &["off"]),
        ("adaptive", &["adaptive"]),
        ("xp-sp2", &["xp-sp2"]),
        ("adaptive and xp-sp2", &["adaptive", "xp-sp2"]),
    ];
    for (name, path) in
        [("SYNs of one scanner", &scan), ("SYNs of 1,000 hosts", &hosts), ("900 bytes", &large)]
    {
        row(&format!("{name}: only read"), path, only_read);
        for (of, names) in sets {
            let policies = names.iter().map(|name| policy(name)).collect();
            row(&format!("{name}: {of}"), path, replayed(policies));
        }
    }
}
