//! One value of a `[[deny]]`.

use super::setting::{MODES, prefixes};
use super::value::{Expected, Written, WrongValue, name_of, show, with_list};
use halfopen_bpf::DenyRule;
use halfopen_policy::Mode;
use ipnet::IpNet;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// The keys of a `[[deny]]` that `get` and `set` take: all except its destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenyKey {
    /// Prefixes that are not refused.
    Except,
    /// TCP, UDP or both.
    Protocol,
    /// Ports.
    Port,
    /// Whether calls are refused, counted or left alone.
    Mode,
}

impl DenyKey {
    /// All of them, in the order of the sample file.
    pub const ALL: [Self; 4] = [Self::Except, Self::Protocol, Self::Port, Self::Mode];

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Except => "except",
            Self::Protocol => "protocol",
            Self::Port => "port",
            Self::Mode => "mode",
        }
    }

    /// The key of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
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

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenyValue {
    /// Sorted, without doubles.
    Except(Vec<IpNet>),
    /// The protocol.
    Protocol(Protocol),
    /// Sorted; none = all.
    Port(Vec<RangeInclusive<u16>>),
    /// Limited by the mode of the whole.
    Mode(Mode),
}

const PROTOCOLS: [(&str, Protocol); 3] =
    [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("both", Protocol::Both)];
/// Every port.
const ALL_PORTS: &str = "all";
const PORTS: &str = "expected a list of at most 8 ports and port ranges, from 1 to 65535, such as [22, \
                     \"6881-6889\"], or \"all\"";

impl DenyValue {
    /// Reads the value of `key`, which the user calls `name`.
    pub(super) fn read(key: DenyKey, name: &str, written: &Written<'_, '_>) -> Result<Self, WrongValue> {
        let wrong = |accepted| written.wrong(name.to_owned(), accepted);
        Ok(match key {
            DenyKey::Except => Self::Except(prefixes(name, written)?),
            DenyKey::Protocol => Self::Protocol(written.choice(&PROTOCOLS).map_err(wrong)?),
            DenyKey::Port => Self::Port(ports(written.value).map_err(wrong)?),
            DenyKey::Mode => Self::Mode(written.choice(&MODES).map_err(wrong)?),
        })
    }

    /// Reads a value, called `name`, from a command line. Lists can also be written without brackets and quotes.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_text(key: DenyKey, name: &str, text: &str) -> Result<Self, WrongValue> {
        let is_list = match key {
            DenyKey::Except => true,
            DenyKey::Port => text != ALL_PORTS,
            DenyKey::Protocol | DenyKey::Mode => false,
        };
        with_list(is_list, text, |value, span| Self::read(key, name, &Written { value, span }))
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> DenyKey {
        match self {
            Self::Except(_) => DenyKey::Except,
            Self::Protocol(_) => DenyKey::Protocol,
            Self::Port(_) => DenyKey::Port,
            Self::Mode(_) => DenyKey::Mode,
        }
    }

    /// The default of `key`.
    #[must_use]
    pub fn usual(key: DenyKey) -> Self {
        match key {
            DenyKey::Except => Self::Except(Vec::new()),
            DenyKey::Protocol => Self::Protocol(Protocol::Both),
            DenyKey::Port => Self::Port(Vec::new()),
            DenyKey::Mode => Self::Mode(Mode::Enforce),
        }
    }

    /// Its value in TOML.
    #[must_use]
    pub fn value(&self) -> toml_edit::Value {
        match self {
            Self::Except(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
            Self::Protocol(protocol) => name_of(&PROTOCOLS, protocol).into(),
            Self::Port(ports) if ports.is_empty() => ALL_PORTS.into(),
            Self::Port(ports) => ports.iter().map(port_value).collect(),
            Self::Mode(mode) => name_of(&MODES, mode).into(),
        }
    }

    /// Its value as `get` prints it: a string without quotes, a list separated by commas.
    #[must_use]
    pub fn show(&self) -> String {
        let value = self.value();
        match value.as_array() {
            Some(list) => {
                let plain =
                    |value: &toml_edit::Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
                list.iter().map(|value| plain(value).trim().to_owned()).collect::<Vec<_>>().join(", ")
            }
            None => show(&value),
        }
    }

    /// Puts it into `rule`.
    pub fn apply(&self, rule: &mut DenyRule) {
        match self {
            Self::Except(prefixes) => rule.except.clone_from(prefixes),
            Self::Protocol(protocol) => {
                rule.tcp = *protocol != Protocol::Udp;
                rule.udp = *protocol != Protocol::Tcp;
            }
            Self::Port(ports) => rule.ports.clone_from(ports),
            Self::Mode(mode) => rule.mode = *mode,
        }
    }
}

fn port_value(range: &RangeInclusive<u16>) -> toml_edit::Value {
    if range.start() == range.end() {
        i64::from(*range.start()).into()
    } else {
        format!("{}-{}", range.start(), range.end()).into()
    }
}

fn ports(value: &DeValue<'_>) -> Result<Vec<RangeInclusive<u16>>, Expected> {
    let wrong = || PORTS.to_owned();
    if value.as_str() == Some(ALL_PORTS) {
        return Ok(Vec::new());
    }
    let mut ranges = match value {
        DeValue::Array(list) => list.iter().map(|item| range(item.get_ref())).collect::<Option<Vec<_>>>(),
        one => range(one).map(|range| vec![range]),
    }
    .ok_or_else(wrong)?;
    ranges.sort_by_key(|range| (*range.start(), *range.end()));
    ranges.dedup();
    if (1..=DenyRule::PORTS).contains(&ranges.len()) { Ok(ranges) } else { Err(wrong()) }
}

fn range(value: &DeValue<'_>) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port: &u16| digits && *port > 0)
    };
    if let Some(number) = value.as_integer() {
        let port = u16::from_str_radix(number.as_str(), number.radix()).ok().filter(|port| *port > 0)?;
        return Some(port..=port);
    }
    let text = value.as_str()?;
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first.trim())?, port(last.trim())?);
    (first <= last).then_some(first..=last)
}
