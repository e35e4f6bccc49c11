//! What the program wants enforced.

use crate::abi;
use halfopen_policy::{Limits, Mode, RawTcp};
use ipnet::IpNet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Who is never held, only counted: whoever meets every condition that is given. At least one is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NeverHold {
    /// In this cgroup or below: its path from the root of the version 2 hierarchy, `/` first.
    pub cgroup: Option<String>,
    /// Run by this user, as the first user namespace numbers it.
    pub user: Option<u32>,
    /// Run from this file: known by inode and device, whatever its name is where it runs.
    pub exe: Option<PathBuf>,
}

/// Whose attempts are charged to a scope of their own: those who meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRule {
    /// Its name; where a rule of that name was in force, its accounting go on.
    pub name: String,
    /// In a cgroup whose path, or the beginning of whose path, fits one of these patterns: names with `*` for any
    /// characters but `/`. `/` is every cgroup. The first that fits counts; none are no condition. The kernel part has
    /// room for 48 in all, a rule without any being one.
    pub cgroups: Vec<String>,
    /// Run by this user, as the first user namespace numbers it.
    pub user: Option<u32>,
    /// Run from this file: known by inode and device.
    pub exe: Option<PathBuf>,
    /// Of this name, which is the program's own choice.
    pub comm: Option<String>,
    /// Which of them share an account.
    pub per: Per,
    /// What each account allows.
    pub limits: Limits,
}

/// Which attempts of a rule share an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// All of them.
    #[default]
    Rule,
    /// Those of one cgroup: of the one, at the depth of the pattern that fits, that they are in or below. Without patterns,
    /// of the one directly below what is limited.
    Cgroup,
    /// Those of one user.
    User,
    /// Those of one process and the ones it made.
    Process,
}

/// The limits of what leaves through an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRule {
    /// The interface's name, in whatever network namespace.
    pub name: String,
    /// Its limits.
    pub limits: Limits,
}

/// Destinations to which nobody may connect or, by UDP, send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyRule {
    /// Its name; where a rule of that name was in force, its counts go on.
    pub name: String,
    /// Where to. IPv4 prefixes are also those of mapped addresses; no IPv6 prefix covers IPv4.
    pub to: Vec<IpNet>,
    /// But not there.
    pub except: Vec<IpNet>,
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// Ports, the last of each range included; none = all. At most [`DenyRule::PORTS`].
    pub ports: Vec<RangeInclusive<u16>>,
    /// `Enforce` at most as much as the mode of the whole.
    pub mode: Mode,
}

impl DenyRule {
    /// The most ranges of ports that a rule may have: `DENY_PORTS` of bpf/abi.h.
    pub const PORTS: usize = abi::DENY_PORTS as usize;
}

/// For whom a DNS answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameTrust {
    /// Nobody: none is read.
    #[default]
    Off,
    /// Who asked: the container, pod, service or session, by its cgroup.
    Client,
    /// Everybody.
    Host,
}

/// What holds for the whole host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Hold, count or let alone.
    pub mode: Mode,
    /// Enforce until then, on the kernel's monotonic clock, whatever `mode` says: it holds again from then on, with or
    /// without a daemon.
    pub enforce_until: Option<Duration>,
    /// TCP through raw sockets.
    pub raw_tcp: RawTcp,
    /// Whether waiters may be woken by packets ([`crate::WakeupSender`]).
    pub wakeups: bool,
    /// Attempts that may be alive at once, of which there is a record each. Fixed by the first start of what is pinned.
    pub records: u32,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// Who is never held.
    pub never_hold: Vec<NeverHold>,
    /// The host scope's limits.
    pub host: Limits,
    /// Whose attempts have a scope besides; the first rule that fits counts.
    pub scopes: Vec<ScopeRule>,
    /// Interfaces with a scope.
    pub interfaces: Vec<InterfaceRule>,
    /// Destinations that are refused.
    pub deny: Vec<DenyRule>,
    /// How long an address that answered stays known.
    pub known_for: Duration,
    /// For whom DNS answers name addresses.
    pub names: NameTrust,
    /// How long an address stays named, where the answer's TTL is no longer.
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

    /// Whether a rule of `deny` that is `of_interest` is asked at all.
    pub(crate) fn denies(&self, of_interest: impl Fn(&DenyRule) -> bool) -> bool {
        let off = self.mode == Mode::Off && self.enforce_until.is_none();
        !off && self.deny.iter().any(|rule| rule.mode != Mode::Off && of_interest(rule))
    }
}
