//! nmap scans: the ports of one host, and one port of a network; by connect() and with packets of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use testkit::{HostKind, Lab, Mix, PORT, Prefix, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};

pub const PORTS: Program = Program {
    name: "nmap-ports",
    asked: "nmap -sT: which of 1,000 ports of one host are open (6 are)",
    unit: "open ports",
    wan: false,
    prepare: scan_ports,
};

pub const CONNECT_SCAN: Program = Program {
    name: "nmap-sT",
    asked: "nmap -sT: which of 128 neighbouring addresses have port 80 open (16 have, the others are dead)",
    unit: "live hosts",
    wan: false,
    prepare: |lab| scan_network(lab, &["-sT"]),
};

pub const SYN_SCAN: Program = Program {
    name: "nmap-sS",
    asked: "nmap -sS: the same with Ethernet frames of its own (AF_PACKET)",
    unit: "live hosts",
    wan: false,
    prepare: |lab| scan_network(lab, &["-sS", "--send-eth"]),
};

pub const RAW_SCAN: Program = Program {
    name: "nmap-sS-ip",
    asked: "nmap -sS --send-ip: the same through a raw IP socket",
    unit: "live hosts",
    wan: false,
    prepare: |lab| scan_network(lab, &["-sS", "--send-ip"]),
};

/// What is scanned, in the form that scanners take.
pub const NETWORK: &str = "198.18.77.0/25";
pub const LIVE: usize = 16;
const ADDRESSES: usize = 128;
/// Besides that of the lab's own listener.
const OPEN: [u16; 5] = [21, 25, 110, 443, 993];

/// A network of few live hosts; all its addresses.
pub fn network(lab: &Lab) -> Result<Vec<IpAddr>> {
    let within: Prefix = NETWORK.parse().context("reading a prefix")?;
    let mix = Mix { live: LIVE, dead: ADDRESSES - LIVE, within: Some(within), ..Mix::default() };
    Ok(lab.draw(&mix)?.all().iter().map(|host| host.address).collect())
}

fn scan_network<'a>(lab: &'a Lab, how: &'static [&'static str]) -> Result<Task<'a>> {
    let targets = network(lab)?;
    let go = move |cgroup: &_| {
        let mut command = lab.client().command_in(cgroup, "nmap");
        command.args(how).args([
            "-Pn",
            "-n",
            "--max-retries",
            "1",
            "-p",
            &PORT.to_string(),
            "--open",
            "-oG",
            "-",
        ]);
        let ran = run_within(command.arg(NETWORK), LIMIT)?;
        let got = ran.stdout.lines().filter(|line| line.contains("/open/")).count();
        Ok(Outcome::of_run(&ran, got, LIVE, is_error))
    };
    Ok(Task { go: Box::new(go), targets })
}

fn scan_ports(lab: &Lab) -> Result<Task<'_>> {
    let targets: Vec<_> =
        lab.draw(&Mix { live: 1, ..Mix::default() })?.of(HostKind::Live).iter().map(SocketAddr::ip).collect();
    let listen = || OPEN.map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
    let listeners =
        lab.world().run(listen)?.into_iter().collect::<Result<Vec<_>, _>>().context("listening")?;
    let host = targets[0].to_string();
    let go = move |cgroup: &_| {
        let _listening = listeners;
        let mut command = lab.client().command_in(cgroup, "nmap");
        command.args(["-sT", "-Pn", "-n", "-p", "1-1000", "--open", "-oG", "-", &host]);
        let ran = run_within(&mut command, LIMIT)?;
        let got = ran.stdout.matches("/open/").count();
        Ok(Outcome::of_run(&ran, got, OPEN.len() + 1, is_error))
    };
    Ok(Task { go: Box::new(go), targets })
}

fn is_error(line: &str) -> bool {
    ["sendto in ", "Strange", "WARNING", "QUITTING", "Warning"].iter().any(|begin| line.starts_with(begin))
}
