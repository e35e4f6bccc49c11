//! `doctor`: what works on this host, what does not, and what bypasses the limit.

use super::conntrack_check;
use super::doctor_check::{Check, CheckResult};
use super::name_sources;
use super::packet_socket::{PacketSocket, open_packet_sockets};
use super::running_daemon;
use super::unwatched::Unwatched;
use crate::conntrack::{Counts, NamespaceEntries, tracked_namespaces};
use crate::lock::holder;
use crate::runtime_dir::RuntimeDir;
use crate::{exit, output};
use anyhow::Result;
use halfopen_bpf::{Finding, Probe, probes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What `doctor --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doctor {
    /// What was looked at, in the order of the text.
    pub checks: Vec<Check>,
    /// What fills connection tracking in each network namespace that has entries, of the fullest first.
    pub conntrack: Vec<NamespaceEntries>,
}

/// Prints each check as soon as it is done, or all of them as JSON. Returns the exit code.
pub fn doctor(cgroup: Option<&Path>, json: bool) -> Result<u8> {
    let mut checks: Vec<Check> = Vec::new();
    let mut done = |more: Vec<Check>| -> Result<()> {
        for check in more {
            if !json {
                output::line(&check.to_string())?;
            }
            checks.push(check);
        }
        Ok(())
    };
    let unwatched = without_daemon();
    let is_unwatched = unwatched.is_some();
    // First: it is what an operator has to know before anything else.
    done(unwatched.into_iter().collect())?;
    done(probes(cgroup).into_iter().map(Check::from).collect())?;
    done(vec![conntrack().into()])?;
    let conntrack = tracked_namespaces();
    done(conntrack.iter().map(conntrack_check::filled_by).collect())?;
    done(running_daemon::checks())?;
    done(vec![name_sources::check()])?;
    done(packet_sockets())?;
    done(vec![Check::new(
        CheckResult::Note,
        "traffic of bridged or routed guests, and traffic sent through packet sockets",
        "it passes no hook of the limit",
    )])?;
    let missing = checks.iter().any(|check| check.result == CheckResult::Missing);
    if json {
        output::line(&serde_json::to_string(&Doctor { checks, conntrack })?)?;
    }
    Ok(if missing {
        exit::CANNOT
    } else if is_unwatched {
        exit::FAILED
    } else {
        0
    })
}

/// What is pinned while no daemon has it, if anything is.
fn without_daemon() -> Option<Check> {
    if holder(&RuntimeDir::of_this_host()).is_ok_and(|holder| holder.is_some()) {
        return None;
    }
    let told = match Unwatched::find() {
        Ok(found) => found?.told().to_string().replace('\n', " "),
        // `privilege` tells what else this user may not do.
        Err(_) if !is_root() => return None,
        Err(e) => e.in_full(),
    };
    Some(Check::new(CheckResult::Degraded, "daemon", told))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn conntrack() -> Probe {
    let finding = match Counts::open().now() {
        None => Finding::Good("not in use".to_owned()),
        Some(found) if found.is_nearly_full() => Finding::Degraded(found.explain()),
        Some(found) => Finding::Good(found.to_string()),
    };
    Probe { name: "connection tracking", finding }
}

fn packet_sockets() -> Vec<Check> {
    let sockets = open_packet_sockets();
    if sockets.is_empty() {
        let none = "none is open in any visible network namespace";
        return vec![Check::new(CheckResult::Good, "packet sockets", none)];
    }
    sockets.iter().map(warned).collect()
}

fn warned(socket: &PacketSocket) -> Check {
    let owners = match socket.owners.as_slice() {
        [] => "a process that is not visible here".to_owned(),
        owners => owners.join(", "),
    };
    Check::new(
        CheckResult::Bypass,
        format!("packet socket of {owners} in {}", socket.namespace),
        "what it sends is neither held nor counted, except at a container's gate (forwarded_tcp)",
    )
}
