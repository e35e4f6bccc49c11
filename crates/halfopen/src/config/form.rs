//! What values a key takes: how they are read and written, and what an error or a page of documentation calls them.

use super::never_hold::NeverHoldList;
use super::per_destination;
use super::ports;
use super::quota::Quota;
use super::resolvers::Resolvers;
use super::value::{Value, Words};
use super::who::{For, Who};
use super::written::{self, Written, WrongValue};
use halfopen_policy::limits::{parse_time, show_time};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The values of a key.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    kind: Kind,
    /// One of them, in TOML.
    such: &'static str,
    word: Option<Word>,
}

/// A word that stands for no limit.
#[derive(Debug, Clone, Copy)]
struct Word {
    text: &'static str,
    value: Unlimited,
    means: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Unlimited {
    Nothing,
    Number(u32),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Words(fn() -> Vec<&'static str>),
    Flag,
    Number(u32, u32),
    Time(Duration, Duration),
    Rate(&'static str),
    NumberOrQuota(u32),
    Share,
    Prefixes(usize),
    Exempt,
    Ports,
    Resolvers,
    Address,
    Path,
    Collector,
    RuntimeSockets,
    Group,
    NeverHold,
    Match,
    PerDestination,
}

/// The shortest time above 0.
const SHORTEST: Duration = Duration::from_micros(1);
const LONGEST: Duration = Duration::from_hours(24);
/// The most sockets of container runtimes: each has a thread.
const SOCKETS: usize = 8;
/// The word in a list for what it has if nothing is said.
const SHIPPED: &str = "shipped";

impl Form {
    /// `true` or `false`.
    pub(super) const FLAG: Self = Self::new(Kind::Flag, "true");
    /// A percentage.
    pub(super) const SHARE: Self = Self::new(Kind::Share, "\"2%\"");
    /// A list of prefixes.
    pub(super) const PREFIXES: Self =
        Self::new(Kind::Prefixes(0), "[\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.7\"]");
    /// A list of prefixes with at least one in it.
    pub(super) const SOME_PREFIXES: Self = Self::new(Kind::Prefixes(1), "[\"10.0.0.0/8\"]");
    /// Ports and ranges.
    pub(super) const PORTS: Self = Self::new(Kind::Ports, "[22, \"6881-6889\"]");
    /// A list of prefixes, in which "shipped" stands for loopback.
    pub(super) const EXEMPT: Self = Self::new(Kind::Exempt, "[\"shipped\", \"10.0.0.0/8\"]");
    /// A list of name servers.
    pub(super) const RESOLVERS: Self = Self::new(Kind::Resolvers, "[\"system\", \"10.96.0.10\"]");
    /// An address and port of this host.
    pub(super) const ADDRESS: Self = Self::new(Kind::Address, "\"127.0.0.1:4226\"");
    /// The absolute path of a file.
    pub(super) const PATH: Self = Self::new(Kind::Path, "\"/var/log/halfopen/events.jsonl\"");
    /// The address of a collector.
    pub(super) const COLLECTOR: Self = Self::new(Kind::Collector, "\"http://127.0.0.1:4318\"");
    /// Sockets of container runtimes.
    pub(super) const RUNTIME_SOCKETS: Self = Self::new(Kind::RuntimeSockets, "[\"docker:/run/docker.sock\"]");
    /// A group of this host.
    pub(super) const GROUP: Self = Self::new(Kind::Group, "\"netadmin\"");
    /// Programs never held.
    pub(super) const NEVER_HOLD: Self =
        Self::new(Kind::NeverHold, "[\"shipped\", { cgroup = \"/system.slice/x.service\" }]");
    /// The programs of a rule.
    pub(super) const MATCH: Self = Self::new(Kind::Match, "{ cgroup = \"/system.slice/x*.service\" }");
    /// What each destination of an account allows.
    pub(super) const PER_DESTINATION: Self = Self::new(Kind::PerDestination, per_destination::SUCH);
    /// A time above 0, to a day.
    pub(super) const ANY_TIME: Self = Self::time(SHORTEST, LONGEST, "\"30s\"");

    const fn new(kind: Kind, such: &'static str) -> Self {
        Self { kind, such, word: None }
    }

    /// One of the words of `T`.
    pub(super) const fn words<T: Words>() -> Self {
        Self::new(Kind::Words(|| T::WORDS.iter().map(|(word, _)| *word).collect()), "")
    }

    /// A whole number.
    pub(super) const fn number(from: u32, to: u32) -> Self {
        Self::new(Kind::Number(from, to), "10")
    }

    /// A whole number from 1, or so many per unit of time.
    pub(super) const fn number_or_quota(to: u32) -> Self {
        Self::new(Kind::NumberOrQuota(to), "10")
    }

    /// A time, such as `such` (in TOML).
    pub(super) const fn time(from: Duration, to: Duration, such: &'static str) -> Self {
        Self::new(Kind::Time(from, to), such)
    }

    /// `what` per unit of time, such as `such` (in TOML).
    pub(super) const fn rate(what: &'static str, such: &'static str) -> Self {
        Self::new(Kind::Rate(what), such)
    }

    /// The same with another example (in TOML).
    pub(super) const fn such_as(self, such: &'static str) -> Self {
        Self { such, ..self }
    }

    /// Or `text`, which means no limit.
    pub(super) const fn or(self, text: &'static str) -> Self {
        Self { word: Some(Word { text, value: Unlimited::Nothing, means: "" }), ..self }
    }

    /// Or `text`, which means `number`.
    pub(super) const fn or_number(self, text: &'static str, number: u32) -> Self {
        Self { word: Some(Word { text, value: Unlimited::Number(number), means: "" }), ..self }
    }

    /// What the word of [`Form::or`] means.
    pub(super) const fn meaning(self, means: &'static str) -> Self {
        match self.word {
            Some(word) => Self { word: Some(Word { means, ..word }), ..self },
            None => self,
        }
    }

    /// Reads the value of the key called `name`.
    pub(super) fn read(&self, name: &str, written: &Written<'_, '_>) -> Result<Value, WrongValue> {
        let text = written.text();
        if let Some(word) = self.word.filter(|word| Some(word.text) == text) {
            return Ok(word.value());
        }
        let accepted = || format!("expected {}", self.accepted());
        let time = || text.and_then(|text| parse_time(text).ok());
        let read = match self.kind {
            Kind::Words(words) => words().into_iter().find(|word| Some(*word) == text).map(Value::Word),
            Kind::Flag => written.value.as_bool().map(Value::Flag),
            Kind::Number(from, to) => {
                written.number().filter(|number| (from..=to).contains(number)).map(Value::Number)
            }
            Kind::NumberOrQuota(to) => match text {
                Some(text) => Quota::read(text).map(Value::Quota),
                None => written.number().filter(|number| (1..=to).contains(number)).map(Value::Number),
            },
            Kind::Time(from, to) => time().filter(|time| (from..=to).contains(time)).map(Value::Time),
            Kind::Rate(_) => match text.map(str::parse) {
                Some(Err::<_, halfopen_policy::limits::NotANumber>(e)) => {
                    return Err(written.wrong(name, &format!("{} ({e})", accepted())));
                }
                rate => rate.and_then(Result::ok).map(Value::Rate),
            },
            Kind::Share => text.and_then(|text| text.parse().ok()).map(Value::Share),
            Kind::Ports => ports::read(written).map(Value::Ports),
            Kind::Prefixes(least) => {
                let accepted = format!("expected {}", Self::PREFIXES.accepted());
                let mut prefixes = written.list(name, &accepted, prefix)?;
                prefixes.sort();
                prefixes.dedup();
                (prefixes.len() >= least).then_some(Value::Prefixes(prefixes))
            }
            Kind::Exempt => {
                let prefixes = written.list(name, &accepted(), |item| match item.text() {
                    Some(SHIPPED) => Some(loopback()),
                    _ => prefix(item).map(|prefix| vec![prefix]),
                })?;
                Some(Value::Prefixes(
                    prefixes.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect(),
                ))
            }
            Kind::Resolvers => Some(Value::Resolvers(Resolvers::read(name, &accepted(), written)?)),
            Kind::Address => text
                .and_then(|text| text.parse::<SocketAddr>().ok())
                .filter(|at| at.port() != 0)
                .map(Value::Address),
            Kind::Path => text
                .map(PathBuf::from)
                .filter(|path| path.is_absolute() && path.file_name().is_some())
                .map(Value::Path),
            Kind::Collector => text.and_then(|text| text.parse().ok()).map(Value::Collector),
            Kind::RuntimeSockets => {
                let sockets = written.list(name, &accepted(), |item| item.text()?.parse().ok())?;
                (sockets.len() <= SOCKETS).then_some(Value::RuntimeSockets(sockets))
            }
            Kind::Group => text
                .filter(|name| !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control()))
                .map(|name| Value::Group(name.to_owned())),
            Kind::NeverHold => Some(Value::NeverHold(NeverHoldList::read(name, &accepted(), written)?)),
            Kind::Match => Some(Value::Match(Who::read(name, written, For::Scope)?)),
            Kind::PerDestination => {
                Some(Value::PerDestination(per_destination::read(name, &accepted(), written)?))
            }
        };
        read.ok_or_else(|| written.wrong(name, &accepted()))
    }

    /// Reads the value of the key called `name` from a command line.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn read_text(&self, name: &str, text: &str) -> Result<Value, WrongValue> {
        let is_list = match self.kind {
            Kind::Prefixes(_) | Kind::Exempt | Kind::Resolvers | Kind::RuntimeSockets => true,
            Kind::Ports => text != ports::ALL,
            _ => false,
        };
        written::from_text(text, is_list, |written| self.read(name, written))
    }

    /// The values in words.
    #[must_use]
    pub fn accepted(&self) -> String {
        let such = self.such;
        let own = match self.kind {
            Kind::Words(words) => {
                let words: Vec<String> = words().into_iter().map(|word| format!("{word:?}")).collect();
                words.join(" or ")
            }
            Kind::Flag => "true or false".into(),
            Kind::Number(from, to) => format!("a whole number from {from} to {to}"),
            Kind::NumberOrQuota(to) => {
                format!("a whole number from 1 to {to}, or so many per unit of time, such as \"20/m\"")
            }
            Kind::Time(SHORTEST, _) => format!("a time above 0, such as {such}"),
            Kind::Time(from, to) => {
                format!("a time from {} to {}, such as {such}", show_time(from), show_time(to))
            }
            Kind::Rate(what) => format!("{what} per unit of time, such as {such} or \"1/4s\""),
            Kind::Share => format!("a percentage from \"0.1%\" to \"99.9%\", such as {such}"),
            Kind::Prefixes(0) => format!("a list of prefixes, such as {such}"),
            Kind::Exempt => {
                format!("a list of prefixes and \"shipped\", which stands for loopback, such as {such}")
            }
            Kind::Prefixes(_) => {
                format!("at least one prefix, such as {such}; mode = \"off\" switches a rule off")
            }
            Kind::Ports => format!(
                "a list of at most 8 ports and port ranges, from 1 to 65535, such as {such}, or \"all\""
            ),
            Kind::Resolvers => format!("a list of addresses and \"system\", such as {such}"),
            Kind::Address => format!("an address and a port of this host, such as {such}"),
            Kind::Path => format!("the absolute path of a file, such as {such}"),
            Kind::Collector => {
                format!(
                    "the http:// or https:// address of a collector, without secrets in it, such as {such}"
                )
            }
            Kind::RuntimeSockets => format!(
                "a list of at most {SOCKETS} sockets, each docker: or podman: and an absolute path, such as {such}"
            ),
            Kind::Group => format!("a group of this host, by name or number, such as {such}"),
            Kind::NeverHold => format!("a list of tables, such as {such}"),
            Kind::PerDestination => {
                format!("a table of half_open, connect_rate and established, such as {such}")
            }
            Kind::Match => {
                format!("a table of cgroup, container, label, user, exe, comm and not, such as {such}")
            }
        };
        self.word.map_or(own.clone(), |word| format!("{own}, or {:?}{}", word.text, word.means))
    }

    /// The words among the values.
    #[must_use]
    pub fn choices(&self) -> Vec<&'static str> {
        let own = match self.kind {
            Kind::Words(words) => words(),
            Kind::Flag => vec!["true", "false"],
            Kind::Ports => vec![ports::ALL],
            _ => Vec::new(),
        };
        own.into_iter().chain(self.word.map(|word| word.text)).collect()
    }

    /// An example of a value, in TOML.
    #[must_use]
    pub fn example(&self) -> String {
        match self.kind {
            Kind::Words(words) => format!("{:?}", words().first().copied().unwrap_or_default()),
            _ => self.such.to_owned(),
        }
    }

    /// The value in TOML.
    #[must_use]
    pub fn toml(&self, value: &Value) -> toml_edit::Value {
        let word = self.word.filter(|word| word.value() == *value);
        word.map_or_else(|| value.toml(), |word| word.text.into())
    }

    /// The value as `get` prints it: a string without quotes, a list of them separated by commas.
    #[must_use]
    pub fn show(&self, value: &Value) -> String {
        let toml = self.toml(value);
        let plain = |value: &toml_edit::Value| {
            value.as_str().map_or_else(|| value.to_string().trim().to_owned(), ToOwned::to_owned)
        };
        match (value, toml.as_array()) {
            (Value::NeverHold(_), _) | (_, None) => plain(&toml),
            (_, Some(list)) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Word {
    fn value(self) -> Value {
        match self.value {
            Unlimited::Nothing => Value::Unlimited,
            Unlimited::Number(number) => Value::Number(number),
        }
    }
}

/// The destinations within this host.
pub(super) fn loopback() -> Vec<IpNet> {
    vec![
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).trunc()),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}

fn prefix(written: &Written<'_, '_>) -> Option<IpNet> {
    let text = written.text()?;
    let prefix = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(prefix.trunc())
}
