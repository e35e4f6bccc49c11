//! A lab limited by the real program, sockets that do as told, and blockers that keep its slots.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test fails where its tools do"
)]

pub mod calls;
pub mod program;

use crate::desk::{self, PATIENCE};
use crate::{Cgroup, Dialer, Dialling, Family, HostKind, Lab, Limiter, Mix, PORT, Scope};
use calls::Calls;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What happens at once happens within this on a busy machine, and long before the daemon counts its accounting anew.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// Longer than any of these tests: a blocker keeps its slot until it is dropped.
const SLOT_LIFE: &str = "5m";

/// A lab and the real program that limits its client.
pub struct Rig {
    /// Ended before the lab is.
    pub limiter: Limiter,
    pub lab: Lab,
}

/// Starts the real program on a cgroup of the lab: slots last, and nothing but them holds an attempt.
pub fn limit(lab: &Lab, cgroup: &Cgroup, half_open: u32, settings: &[(&str, &str)]) -> Limiter {
    let mut builder = desk::limit(lab, half_open).limited(cgroup).set("slot_life", SLOT_LIFE);
    for (name, value) in settings {
        builder = builder.set(name, value);
    }
    builder.start().unwrap()
}

/// Occupies `count` slots of `limiter` from the world's side, unseen by the client's namespace.
pub fn block(lab: &Lab, cgroup: &Cgroup, limiter: &Limiter, count: u32) -> Dialling {
    let others = limiter.status().unwrap().host.half_open;
    let dead = lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
    let dialer = Dialer::new(lab).namespace(lab.world()).cgroup(cgroup);
    let dialling = dialer.destinations(dead.destinations()).spawn().unwrap();
    let taken = |scope: &Scope| scope.half_open == others + i64::from(count) && scope.queued == 0;
    until(limiter, "the blockers to have their slots", PATIENCE, taken);
    dialling
}

/// See [`Rig::allow`].
pub fn allow(limiter: &Limiter, half_open: u32) {
    let mut set = limiter.command();
    assert!(set.args(["set", "half_open", &half_open.to_string()]).status().unwrap().success());
}

/// Waits until the host's numbers are as wanted.
pub fn until(limiter: &Limiter, what: &str, patience: Duration, wanted: impl Fn(&Scope) -> bool) -> Scope {
    let status = limiter.await_status(what, patience, |status| wanted(&status.host));
    status.unwrap_or_else(|late| panic!("{late}")).host
}

/// How often each fault has happened since the start.
pub fn faults(limiter: &Limiter) -> HashMap<String, u64> {
    let output = limiter.command().args(["status", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults = status["faults"].as_array().unwrap();
    let fault = |fault: &serde_json::Value| {
        Some((fault["fault"].as_str()?.to_owned(), fault["count"].as_u64().filter(|count| *count > 0)?))
    };
    faults.iter().filter_map(fault).collect()
}

impl Rig {
    /// One whose client may have `half_open` attempts out.
    pub fn new(half_open: u32, settings: &[(&str, &str)]) -> Self {
        let lab = Lab::new().unwrap();
        Self { limiter: limit(&lab, lab.cgroup(), half_open, settings), lab }
    }

    /// Occupies `count` slots.
    pub fn block(&self, count: u32) -> Dialling {
        block(&self.lab, self.lab.cgroup(), &self.limiter, count)
    }

    /// From now on so many attempts may be out: unlike the end of a blocker, whose SYN is on its way, this frees a slot at once.
    pub fn allow(&self, half_open: u32) {
        allow(&self.limiter, half_open);
    }

    /// A program in the limited cgroup.
    pub fn calls(&self) -> Calls {
        Calls::start(self.lab.client(), self.lab.cgroup())
    }

    /// A fresh address of this kind.
    pub fn host(&self, kind: HostKind) -> SocketAddr {
        host(&self.lab, kind, Family::V4)
    }

    pub fn until(&self, what: &str, wanted: impl Fn(&Scope) -> bool) -> Scope {
        until(&self.limiter, what, AT_ONCE, wanted)
    }

    pub fn scope(&self) -> Scope {
        self.limiter.status().unwrap().host
    }

    /// A counter of the client's namespace, as `TcpExt` `TCPTimeouts`.
    pub fn counter(&self, group: &str, name: &str) -> u64 {
        // A thread's own directory, else it would be the namespace of the test.
        let read = || std::fs::read_to_string("/proc/thread-self/net/netstat");
        let text = self.lab.client().run(read).unwrap().unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split_whitespace().position(|found| found == name);
        let at = at.unwrap_or_else(|| panic!("the kernel has no {group} {name}"));
        values.split_whitespace().nth(at).unwrap().parse().unwrap()
    }
}

/// A fresh address of this kind and family.
pub fn host(lab: &Lab, kind: HostKind, family: Family) -> SocketAddr {
    let mut mix = Mix { family, ..Mix::default() };
    *match kind {
        HostKind::Live => &mut mix.live,
        HostKind::Dead => &mut mix.dead,
        HostKind::Refusing => &mut mix.refusing,
        HostKind::Unreachable => &mut mix.unreachable,
        HostKind::Slow => &mut mix.slow,
    } = 1;
    SocketAddr::new(lab.draw(&mix).unwrap().all()[0].address, PORT)
}
