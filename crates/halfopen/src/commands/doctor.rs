//! `doctor`: what works on this host, what does not, and what bypasses the limit.

use super::packet_socket::{PacketSocket, open_packet_sockets};
use super::running_daemon;
use crate::conntrack::Counts;
use crate::{exit, output};
use anyhow::Result;
use halfopen_bpf::{Finding, Probe, probes};
use std::path::Path;

pub fn doctor(cgroup: Option<&Path>) -> Result<u8> {
    let probes = probes(cgroup);
    for probe in &probes {
        output::line(&shown(probe))?;
    }
    output::line(&shown(&conntrack()))?;
    for line in running_daemon::lines() {
        output::line(&line)?;
    }
    let sockets = open_packet_sockets();
    for socket in &sockets {
        output::line(&warned(socket))?;
    }
    if sockets.is_empty() {
        output::line("good      packet sockets: none is open in any visible network namespace")?;
    }
    output::line(
        "note      traffic of bridged or routed guests, and traffic sent through packet sockets, passes no hook of the \
         limit",
    )?;
    let missing = probes.iter().any(|probe| matches!(probe.finding, Finding::Missing(_)));
    Ok(if missing { exit::CANNOT } else { 0 })
}

fn conntrack() -> Probe {
    let finding = match Counts::open().now() {
        None => Finding::Good("not in use".to_owned()),
        Some(found) if found.is_nearly_full() => Finding::Degraded(found.explain()),
        Some(found) => Finding::Good(found.to_string()),
    };
    Probe { name: "connection tracking", finding }
}

fn shown(Probe { name, finding }: &Probe) -> String {
    match finding {
        Finding::Good(detail) if detail.is_empty() => format!("good      {name}"),
        Finding::Good(detail) => format!("good      {name}: {detail}"),
        Finding::Degraded(loss) => format!("degraded  {name}: {loss}"),
        Finding::Missing(remedy) => format!("MISSING   {name}: {remedy}"),
    }
}

fn warned(socket: &PacketSocket) -> String {
    let owners = match socket.owners.as_slice() {
        [] => "a process that is not visible here".to_owned(),
        owners => owners.join(", "),
    };
    format!(
        "bypass    packet socket of {owners} in {}: what it sends is neither held nor counted",
        socket.namespace
    )
}
