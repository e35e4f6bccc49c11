//! What user space wants enforced.

use crate::abi;
use halfopen_policy::{Forwarded, Limits, Mode, RawTcp};
use ipnet::IpNet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// A rule for attempts that are never held, only counted: those that meet every condition given. At least one
/// must be given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NeverHold {
    /// In this cgroup or below: its path from the root of the version 2 hierarchy, `/` first.
    pub cgroup: Option<String>,
    /// Run by this user, as the initial user namespace numbers it.
    pub user: Option<u32>,
    /// Run from this file, identified by inode and device, whatever its name is where it runs.
    pub exe: Option<PathBuf>,
}

/// A rule for attempts that are charged to a scope of their own: those that meet every condition given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRule {
    /// Its name. If a rule of this name was in force, its accounting continues.
    pub name: String,
    /// In a cgroup whose path, or the beginning of whose path, matches one of these patterns: names with `*`
    /// for any characters but `/`. `/` matches every cgroup. The first pattern that matches counts; an empty
    /// list is no condition. The kernel part has room for 48 patterns in all; a rule without any takes one.
    pub cgroups: Vec<String>,
    /// Run by one of these users, as the initial user namespace numbers them. An empty list is no condition, here and
    /// below.
    pub users: Vec<u32>,
    /// Run from one of these files, identified by inode and device.
    pub exes: Vec<PathBuf>,
    /// With one of these task names, which the program chooses itself.
    pub comms: Vec<String>,
    /// But not those.
    pub not: LeftOut,
    /// Which attempts of the rule share an account.
    pub per: Per,
    /// What each account allows.
    pub limits: Limits,
}

/// Attempts that a rule leaves out: those that meet any of these conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// In such cgroups or below them. Each pattern takes room as one of the rule's own does.
    pub cgroups: Vec<String>,
    /// Run by these users.
    pub users: Vec<u32>,
    /// Run from these files.
    pub exes: Vec<PathBuf>,
}

impl ScopeRule {
    /// All files that it names, those that it leaves out last.
    pub(crate) fn files(&self) -> impl Iterator<Item = Option<&PathBuf>> {
        self.exes.iter().chain(&self.not.exes).map(Some)
    }
}

/// Which attempts of a rule share an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// All of them.
    #[default]
    Rule,
    /// Those of one cgroup: the one that they are in or below, at the depth of the pattern that matches.
    /// Without patterns, the one directly below the limited cgroup.
    Cgroup,
    /// Those of one user.
    User,
    /// Those of one process and its descendants.
    Process,
}

/// The limits of attempts that leave through an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRule {
    /// The interface's name, in any network namespace.
    pub name: String,
    /// Its limits.
    pub limits: Limits,
}

/// A rule for destinations to which no program may connect or, by UDP, send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyRule {
    /// Its name. If a rule of this name was in force, its counts continue.
    pub name: String,
    /// The destinations. IPv4 prefixes also cover mapped addresses; no IPv6 prefix covers plain IPv4.
    pub to: Vec<IpNet>,
    /// Exceptions from `to`.
    pub except: Vec<IpNet>,
    /// Whether it covers TCP.
    pub tcp: bool,
    /// Whether it covers UDP.
    pub udp: bool,
    /// Ports, with the last of each range included; an empty list is all ports. At most [`DenyRule::PORTS`]
    /// ranges.
    pub ports: Vec<RangeInclusive<u16>>,
    /// The rule's own mode. `Enforce` takes effect only as far as the mode of [`Settings`] does.
    pub mode: Mode,
}

impl DenyRule {
    /// The most ranges of ports that a rule may have: `DENY_PORTS` of bpf/abi.h.
    pub const PORTS: usize = abi::DENY_PORTS as usize;
}

/// For whom a DNS answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameTrust {
    /// Nobody: answers are not read.
    #[default]
    Off,
    /// The client that asked: a container, pod, service or session, by its cgroup.
    Client,
    /// Every process of the host.
    Host,
}

/// What holds for the whole host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether attempts are held, counted or left alone.
    pub mode: Mode,
    /// Enforce until then, on the kernel's monotonic clock, whatever `mode` says. After that `mode` applies
    /// again, with or without a daemon.
    pub enforce_until: Option<Duration>,
    /// What happens to TCP through raw sockets.
    pub raw_tcp: RawTcp,
    /// What happens to SYNs that come from a container's link without a socket.
    pub forwarded: Forwarded,
    /// Whether packets may wake waiters ([`crate::WakeupSender`]).
    pub wakeups: bool,
    /// The most attempts that may be alive at once, each with a record: 1 to 2097152, rounded up to a power
    /// of two. The first start fixes it for as long as the maps stay pinned.
    pub records: u32,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// Which attempts are never held.
    pub never_hold: Vec<NeverHold>,
    /// The host scope's limits.
    pub host: Limits,
    /// Which attempts have a scope of their own; the first rule that matches counts.
    pub scopes: Vec<ScopeRule>,
    /// Interfaces with a scope.
    pub interfaces: Vec<InterfaceRule>,
    /// Destinations that are refused.
    pub deny: Vec<DenyRule>,
    /// How long an address that answered stays known.
    pub known_for: Duration,
    /// For whom DNS answers name addresses.
    pub names: NameTrust,
    /// How long an address stays named, if the answer's TTL is not longer.
    pub names_for: Duration,
}

impl Settings {
    /// `RECORDS` of bpf/abi.h.
    pub const RECORDS: u32 = abi::RECORDS;

    /// Whether DNS answers are read.
    pub(crate) fn reads_names(&self) -> bool {
        self.names != NameTrust::Off && (self.mode != Mode::Off || self.enforce_until.is_some())
    }

    /// Whether some scope limits first contacts over UDP.
    pub(crate) fn limits_datagrams(&self) -> bool {
        let off = self.mode == Mode::Off && self.enforce_until.is_none();
        let mut all = self.scopes.iter().map(|rule| &rule.limits).chain([&self.host]);
        !off && all.any(|limits| limits.datagrams.is_some())
    }

    /// Whether a rule of `deny` that is `of_interest` has any effect.
    pub(crate) fn denies(&self, of_interest: impl Fn(&DenyRule) -> bool) -> bool {
        let off = self.mode == Mode::Off && self.enforce_until.is_none();
        !off && self.deny.iter().any(|rule| rule.mode != Mode::Off && of_interest(rule))
    }
}
