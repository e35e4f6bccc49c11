//! Connects to live hosts and closes, one after the other, so many times, and prints how long that took and how busy all
//! processors of the machine were meanwhile: `peer-connect COUNT ADDRESS...`

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use halfopen_peers::busy::Busy;
use serde_json::json;
use socket2::SockRef;

/// Connections before the count begins: caches and tables are then as they stay.
const WARM_UP: usize = 500;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().context("how many connections?")?.parse().context("reading COUNT")?;
    let hosts: Vec<SocketAddr> =
        arguments.map(|host| host.parse().with_context(|| format!("reading {host:?}"))).collect::<Result<_>>()?;
    ensure!(!hosts.is_empty(), "to which hosts?");
    connect(&hosts, WARM_UP)?;
    let (before, start) = (Busy::look()?, Instant::now());
    connect(&hosts, count)?;
    let (took, busy) = (start.elapsed(), Busy::look()?.since(before));
    println!("{}", json!({ "seconds": took.as_secs_f64(), "busy_seconds": busy.as_secs_f64() }));
    Ok(())
}

fn connect(hosts: &[SocketAddr], count: usize) -> Result<()> {
    for host in hosts.iter().cycle().take(count) {
        let stream = TcpStream::connect(host).with_context(|| format!("connecting to {host}"))?;
        // Its close() resets the connection, so that no port stays in TIME_WAIT.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).context("setting SO_LINGER")?;
    }
    Ok(())
}
