//! What the program wants enforced, and its form in the kernel's maps.

use crate::skeleton::types;
use halfopen_policy::{
    Excess, FirstContact, FirstDatagrams, Limits, Mode, OnSuspect, Order, Overflow, Rate, RawTcp, Share,
    slots,
};
use ipnet::IpNet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Who is never held, only counted: whoever meets every condition that is given. At least one is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Essential {
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
    /// Its name; where a rule of that name was in force, its books go on.
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
    pub const PORTS: usize = 8;
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
    /// Whether waiters may be woken by packets ([`crate::Poker`]).
    pub poke: bool,
    /// Attempts that may be alive at once, of which there is a record each. Fixed by the first start of what is pinned.
    pub records: u32,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// Who is never held.
    pub essential: Vec<Essential>,
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
    pub const RECORDS: u32 = 32_768;

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

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The kernel's form of one scope's limits.
pub(crate) fn limits(limits: &Limits) -> types::limits {
    types::limits {
        half_open: limits.half_open.unwrap_or(u32::MAX),
        queue: limits.queue,
        slot_life_ns: nanos(limits.slot_life),
        interval_ns: limits.drain.map_or(0, Rate::interval_ns),
        max_wait_ns: limits.max_wait.map_or(0, nanos),
        slot_shift: slots::grid_shift(limits.slot_life),
        strict: limits.strict.into(),
        overflow_waits: (limits.overflow == Overflow::Wait).into(),
        first: limits.first_contact.as_ref().map_or_else(Default::default, first_contact),
        datagram_interval_ns: limits.datagrams.map_or(0, |datagrams| datagrams.rate.interval_ns()),
        datagram_dropped: limits.datagrams.is_some_and(|datagrams| datagrams.excess == Excess::Drop).into(),
        ..types::limits::default()
    }
}

/// `CREDIT` of bpf/abi.h.
pub(crate) const CREDIT: u32 = 16;

fn first_contact(first: &FirstContact) -> types::first_contact {
    types::first_contact {
        credit: first.credit.min(FirstContact::MOST) * CREDIT,
        worth: first.worth_in_parts(),
        of_a_scan: first.answers_of_a_scan.map_or(0, Share::in_a_thousand),
        of_peers: first.answers_of_peers.in_a_thousand(),
        working_set: first.working_set.min(FirstContact::WORKING_SET_MOST) as u8,
        order: (first.order == Order::Either).into(),
        throttle: (first.on_suspect == OnSuspect::Throttle).into(),
        recover_ns: first.rate.interval_ns(),
        block_ns: match first.on_suspect {
            OnSuspect::Block(time) => nanos(time),
            OnSuspect::Notify | OnSuspect::Throttle => 0,
        },
        ..types::first_contact::default()
    }
}

fn first_contact_of(first: &types::first_contact) -> Option<FirstContact> {
    (first.credit != 0).then(|| FirstContact {
        credit: first.credit / CREDIT,
        answers_of_a_scan: Share::new(first.of_a_scan),
        answers_of_peers: Share::new(first.of_peers).unwrap_or(FirstContact::adaptive().answers_of_peers),
        rate: Rate::of_interval(Duration::from_nanos(first.recover_ns)),
        working_set: first.working_set.into(),
        order: if first.order == 0 { Order::Oldest } else { Order::Either },
        on_suspect: match (first.throttle, first.block_ns) {
            (0, 0) => OnSuspect::Notify,
            (0, time) => OnSuspect::Block(Duration::from_nanos(time)),
            _ => OnSuspect::Throttle,
        },
    })
}

/// The limits behind the kernel's form of them.
pub(crate) fn limits_of(limits: &types::limits) -> Limits {
    Limits {
        half_open: (limits.half_open != u32::MAX).then_some(limits.half_open),
        slot_life: Duration::from_nanos(limits.slot_life_ns),
        drain: Rate::new(1, Duration::from_nanos(limits.interval_ns)),
        strict: limits.strict != 0,
        queue: limits.queue,
        overflow: if limits.overflow_waits != 0 { Overflow::Wait } else { Overflow::Refuse },
        max_wait: (limits.max_wait_ns != 0).then(|| Duration::from_nanos(limits.max_wait_ns)),
        first_contact: first_contact_of(&limits.first),
        datagrams: Rate::new(1, Duration::from_nanos(limits.datagram_interval_ns)).map(|rate| {
            FirstDatagrams {
                rate,
                excess: if limits.datagram_dropped == 0 { Excess::Refuse } else { Excess::Drop },
            }
        }),
    }
}

/// Limits that hold nothing back, for a scope that has ended but is still charged.
pub(crate) fn no_limits(slot_life: Duration) -> types::limits {
    types::limits {
        half_open: u32::MAX,
        queue: u32::MAX,
        slot_life_ns: nanos(slot_life),
        slot_shift: slots::grid_shift(slot_life),
        overflow_waits: 1,
        ..types::limits::default()
    }
}

/// `enum names` of bpf/abi.h.
pub(crate) fn names(settings: &Settings) -> u32 {
    match settings.names {
        _ if !settings.reads_names() => 0,
        NameTrust::Off => 0,
        NameTrust::Client => 1,
        NameTrust::Host => 2,
    }
}

pub(crate) fn mode(mode: Mode) -> u32 {
    match mode {
        Mode::Enforce => 0,
        Mode::Audit => 1,
        Mode::Off => 2,
    }
}

pub(crate) fn raw_tcp(raw_tcp: RawTcp) -> u32 {
    match raw_tcp {
        RawTcp::Refuse => 0,
        RawTcp::Count => 1,
        RawTcp::Allow => 2,
    }
}

/// A key of the `exempt` trie: the length of the mapped prefix, and its address.
pub(crate) fn prefix_key(net: IpNet) -> [u8; 20] {
    let (bits, addr) = match net {
        IpNet::V4(net) => (96 + u32::from(net.prefix_len()), net.network().to_ipv6_mapped()),
        IpNet::V6(net) => (u32::from(net.prefix_len()), net.network()),
    };
    let mut key = [0; 20];
    key[..4].copy_from_slice(&bits.to_ne_bytes());
    key[4..].copy_from_slice(&addr.octets());
    key
}
