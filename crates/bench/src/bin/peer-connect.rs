//! Connects, accepts and closes, one after the other, all on one thread: `peer-connect COUNT LISTENS DIALS ADDRESS...`,
//! where LISTENS and DIALS are the files of two network namespaces and the addresses belong to the first. It says
//! `listening` and waits for a line: the sockets that listen and are accepted belong to the cgroup that it was started in,
//! those that dial to the one that it is in from then on. It says `warm` when it has begun, waits for a line, makes COUNT
//! connections, and prints the processor time they took, in nanoseconds.

use std::fs::File;
use std::io::stdin;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use testkit::stay_on_last_processor;

/// Connections before the count begins: caches and tables are then as they stay.
const WARM_UP: usize = 500;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, listens, dials, addresses @ ..] = &arguments[..] else {
        bail!("it takes COUNT LISTENS DIALS ADDRESS...");
    };
    let count = count.parse().with_context(|| format!("reading the count {count:?}"))?;
    stay_on_last_processor()?;
    enter(listens)?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("listening")?;
    // Accepted sockets inherit it: their close() resets the connection, so that no port stays in TIME_WAIT.
    SockRef::from(&listener).set_linger(Some(Duration::ZERO)).context("setting SO_LINGER")?;
    let port = listener.local_addr().context("reading the listener's address")?.port();
    enter(dials)?;
    let hosts: Vec<SocketAddr> = addresses
        .iter()
        .map(|address| {
            Ok((address.parse::<IpAddr>().with_context(|| format!("reading {address:?}"))?, port).into())
        })
        .collect::<Result<_>>()?;
    ensure!(!hosts.is_empty(), "to which addresses?");
    await_word("listening")?;
    connect(&listener, &hosts, WARM_UP)?;
    await_word("warm")?;
    let before = processor_time();
    connect(&listener, &hosts, count)?;
    println!("{}", (processor_time().saturating_sub(before)).as_nanos());
    Ok(())
}

fn await_word(said: &str) -> Result<()> {
    println!("{said}");
    stdin().read_line(&mut String::new()).context("waiting for the word to go on")?;
    Ok(())
}

fn connect(listener: &TcpListener, hosts: &[SocketAddr], count: usize) -> Result<()> {
    for host in hosts.iter().cycle().take(count) {
        let dialled = TcpStream::connect(host).with_context(|| format!("connecting to {host}"))?;
        drop(listener.accept().context("accepting")?);
        drop(dialled);
    }
    Ok(())
}

fn enter(namespace: &str) -> Result<()> {
    let file = File::open(namespace).with_context(|| format!("opening {namespace}"))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("entering the namespace {namespace}"))
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}
