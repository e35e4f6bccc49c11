//! A value of a key, whatever its type, and its conversion to and from the type that the rest of the program uses.

use super::collector_url::CollectorUrl;
use super::never_hold::NeverHoldList;
use super::per_destination;
use super::ports;
use super::quota::Quota;
use super::resolvers::Resolvers;
use super::who::Who;
use crate::runs_in::RuntimeSocket;
use halfopen_bpf::{NameTrust, Per};
use halfopen_policy::limits::show_time;
use halfopen_policy::{
    Excess, Forwarded, Mode, OnSuspect, Order, Overflow, PerDestination, Rate, RawTcp, Share,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// A value that its key accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No limit. Each key has a word of its own for it.
    Unlimited,
    /// One of the words of a key.
    Word(&'static str),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u32),
    /// A time.
    Time(Duration),
    /// So many per unit of time.
    Rate(Rate),
    /// So many at once, which come back in that time.
    Quota(Quota),
    /// A percentage.
    Share(Share),
    /// Sorted, without doubles.
    Prefixes(Vec<IpNet>),
    /// Sorted, without doubles; none = all.
    Ports(Vec<RangeInclusive<u16>>),
    /// Name servers.
    Resolvers(Resolvers),
    /// An address and port of this host.
    Address(SocketAddr),
    /// The path of a file.
    Path(PathBuf),
    /// A collector of OpenTelemetry.
    Collector(CollectorUrl),
    /// Sockets of container runtimes.
    RuntimeSockets(Vec<RuntimeSocket>),
    /// A group, by name or number.
    Group(String),
    /// Programs never held.
    NeverHold(NeverHoldList),
    /// The programs that a rule applies to.
    Match(Who),
    /// What each destination of an account allows.
    PerDestination(PerDestination),
}

impl Value {
    /// In TOML, but for [`Value::Unlimited`].
    pub(super) fn toml(&self) -> toml_edit::Value {
        match self {
            Self::Unlimited => "unlimited".into(),
            Self::Word(word) => (*word).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => i64::from(*number).into(),
            Self::Time(time) => show_time(*time).into(),
            Self::Rate(rate) => rate.to_string().into(),
            Self::Quota(quota) => quota.to_string().into(),
            Self::Share(share) => share.to_string().into(),
            Self::Prefixes(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
            Self::Ports(ranges) => ports::toml(ranges),
            Self::Resolvers(resolvers) => resolvers.names().collect(),
            Self::Address(at) => at.to_string().into(),
            Self::Path(path) => path.to_string_lossy().into_owned().into(),
            Self::Collector(url) => url.to_string().into(),
            Self::RuntimeSockets(sockets) => sockets.iter().map(ToString::to_string).collect(),
            Self::Group(name) => name.as_str().into(),
            Self::NeverHold(list) => list.toml(),
            Self::Match(who) => who.table().into(),
            Self::PerDestination(limits) => per_destination::toml(limits),
        }
    }
}

/// A type that a key can have.
pub trait Typed: Sized {
    /// As the value of a key.
    fn value(&self) -> Value;
    /// `None` if the value has another type.
    fn of(value: &Value) -> Option<Self>;
}

macro_rules! typed {
    ($($variant:ident: $type:ty),*) => {$(
        impl Typed for $type {
            fn value(&self) -> Value {
                Value::$variant(self.to_owned())
            }

            fn of(value: &Value) -> Option<Self> {
                if let Value::$variant(it) = value { Some(it.to_owned()) } else { None }
            }
        }
    )*};
}
typed!(Flag: bool, Number: u32, Time: Duration, Rate: Rate, Share: Share, Quota: Quota, Prefixes: Vec<IpNet>, Address: SocketAddr, Path: PathBuf, Group: String);
typed!(Collector: CollectorUrl, PerDestination: PerDestination, Ports: Vec<RangeInclusive<u16>>, Resolvers: Resolvers, RuntimeSockets: Vec<RuntimeSocket>, NeverHold: NeverHoldList, Match: Who);

impl<T: Typed> Typed for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Unlimited, T::value)
    }

    fn of(value: &Value) -> Option<Self> {
        if *value == Value::Unlimited { Some(None) } else { T::of(value).map(Some) }
    }
}

/// A type whose values are words.
pub trait Words: Copy + PartialEq + 'static {
    /// All of them.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this value; empty if there is none.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

impl<T: Words> Typed for T {
    fn value(&self) -> Value {
        Value::Word(self.word())
    }

    fn of(value: &Value) -> Option<Self> {
        T::WORDS.iter().find(|(word, _)| *value == Value::Word(word)).map(|(_, value)| *value)
    }
}

/// What happens to a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Status and events name it.
    Notify,
    /// In addition, its answers earn no more than they cost.
    Throttle,
    /// In addition, its `connect()` calls fail for a while.
    Block,
}

impl From<OnSuspect> for Action {
    fn from(on_suspect: OnSuspect) -> Self {
        match on_suspect {
            OnSuspect::Notify => Self::Notify,
            OnSuspect::Throttle => Self::Throttle,
            OnSuspect::Block(_) => Self::Block,
        }
    }
}

/// The protocol that a rule of `[[deny]]` covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
    /// Either.
    Both,
}

macro_rules! words {
    ($($type:ident: $($word:literal $value:ident),+;)*) => {$(
        impl Words for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$value)),+];
        }
    )*};
}
words! {
    Mode: "enforce" Enforce, "audit" Audit, "off" Off;
    Forwarded: "auto" Auto, "limit" Limit, "count" Count, "allow" Allow;
    RawTcp: "refuse" Refuse, "count" Count, "allow" Allow;
    NameTrust: "off" Off, "client" Client, "host" Host;
    Overflow: "refuse" Refuse, "wait" Wait;
    Order: "oldest" Oldest, "either" Either;
    Action: "notify" Notify, "throttle" Throttle, "block" Block;
    Excess: "refuse" Refuse, "drop" Drop;
    Per: "cgroup" Cgroup, "user" User, "process" Process;
    Protocol: "tcp" Tcp, "udp" Udp, "both" Both;
}
