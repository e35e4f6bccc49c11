use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nfq::{Message, Queue, Verdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Discipline, Fate};

/// The queue that the rules send SYNs to.
const NUMBER: u16 = 0;
/// An IPv4 and a TCP header with all options.
const HEADERS: u16 = 120;
/// More than any discipline holds: what it drops, it drops itself.
const KERNEL_QUEUE: u32 = 65_536;

/// Judges the SYNs of the queue, in the network namespace of the caller, until stdin is closed. Says `ready` on stdout.
///
/// # Errors
/// When the kernel refuses the queue, or stops handing over.
pub fn serve(discipline: &mut dyn Discipline) -> Result<()> {
    let (mut queue, readable) = open().context("opening the queue")?;
    queue.bind(NUMBER).with_context(|| format!("taking queue {NUMBER} of this network namespace"))?;
    queue.set_copy_range(NUMBER, HEADERS).context("asking for headers alone")?;
    queue.set_queue_max_len(NUMBER, KERNEL_QUEUE).context("setting the length of the kernel's queue")?;
    queue.set_nonblocking(true);
    let mut out = io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).context("saying that the queue is served")?;

    let stdin = io::stdin();
    let (mut held, mut number) = (HashMap::new(), 0);
    loop {
        let wait = discipline.next().map(|at| at.saturating_duration_since(Instant::now()));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut watched = [PollFd::new(&readable, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut watched, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for SYNs"),
        }
        if !watched[1].revents().is_empty() {
            return Ok(());
        }
        loop {
            let message = match queue.recv() {
                Ok(message) => message,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("taking a SYN from the queue"),
            };
            let to = destination(message.get_payload()).context("a packet of the queue is no IPv4")?;
            match discipline.arrive(number, to, Instant::now()) {
                Fate::Leave => judge(&mut queue, message, Verdict::Accept)?,
                Fate::Drop => judge(&mut queue, message, Verdict::Drop)?,
                Fate::Hold => drop(held.insert(number, message)),
            }
            number += 1;
        }
        for number in discipline.release(Instant::now()) {
            if let Some(message) = held.remove(&number) {
                judge(&mut queue, message, Verdict::Accept)?;
            }
        }
    }
}

fn judge(queue: &mut Queue, mut message: Message, verdict: Verdict) -> Result<()> {
    message.set_verdict(verdict);
    queue.verdict(message).context("telling the kernel what becomes of a SYN")
}

fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| address.into())
}

/// The queue, and its socket once more to wait on, which the library does not give away.
fn open() -> Result<(Queue, OwnedFd)> {
    // A new descriptor has the lowest number that is free, and nobody else opens any here.
    let free = rustix::io::dup(io::stdin()).context("duplicating stdin")?;
    let number = free.as_raw_fd();
    drop(free);
    let queue = Queue::open().context("opening a netlink socket")?;
    let readable = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|own| pidfd_getfd(own, number, PidfdGetfdFlags::empty()))
        .context("duplicating the queue's socket")?;
    let domain = socket_domain(&readable).context("looking at the queue's socket")?;
    ensure!(domain == AddressFamily::NETLINK, "descriptor {number} is not the queue's socket");
    Ok((queue, readable))
}
