//! A key with its value, read from a file or from the command line.

use super::key::Key;
use super::limit::Limit;
use super::never_hold::NeverHoldList;
use super::preset::Preset;
use super::resolvers::Resolvers;
use super::value::{Written, WrongValue, name_of, show, with_list, written};
use halfopen_bpf::{NameTrust, Settings};
use halfopen_policy::limits::show_time;
use halfopen_policy::{Mode, RawTcp};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::de::DeValue;

/// One key of the configuration and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The limits to start from.
    Preset(Preset),
    /// Whether attempts are held, counted or left alone.
    Mode(Mode),
    /// Whether the limit outlives the daemon.
    Persist(bool),
    /// Sorted, without doubles.
    Exempt(Vec<IpNet>),
    /// Programs never held.
    NeverHold(NeverHoldList),
    /// TCP through raw sockets.
    RawTcp(RawTcp),
    /// Whether waiters are woken when their turn comes.
    Wakeups(bool),
    /// Within [`RECORDS`].
    Records(u32),
    /// Within [`KNOWN_FOR`].
    KnownFor(Duration),
    /// Whose attempts DNS answers count for.
    Names(NameTrust),
    /// Within [`NAMES_FOR`].
    NamesFor(Duration),
    /// The resolvers whose answers count.
    Resolvers(Resolvers),
    /// Within [`EVENT_AFTER`].
    EventAfter(Duration),
    /// A limit of the host scope.
    Host(Limit),
}

/// The fewest and the most records.
pub const RECORDS: RangeInclusive<u32> = 1_024..=2_097_152;
/// The shortest and the longest time for which an address that has answered may stay known.
pub const KNOWN_FOR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// The shortest and the longest time for which an address may stay named.
pub const NAMES_FOR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// The shortest and the longest wait before event 4226.
pub const EVENT_AFTER: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(24));
const PREFIXES: &str =
    "expected a list of prefixes, such as [\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.7\"]";

impl Setting {
    /// Reads the value of `key` from TOML; `span` is the value's.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_toml(key: Key, value: &DeValue<'_>, span: Range<usize>) -> Result<Self, WrongValue> {
        let written = Written { value, span };
        let wrong = |accepted| written.wrong(key.to_string(), accepted);
        Ok(match key {
            Key::Preset => Self::Preset(written.choice(&Preset::NAMES).map_err(wrong)?),
            Key::Mode => Self::Mode(written.choice(&MODES).map_err(wrong)?),
            Key::RawTcp => Self::RawTcp(written.choice(&RAW_TCP).map_err(wrong)?),
            Key::Persist => Self::Persist(written.flag().map_err(wrong)?),
            Key::Wakeups => Self::Wakeups(written.flag().map_err(wrong)?),
            Key::Records => Self::Records(written.number(RECORDS, None).map_err(wrong)?),
            Key::KnownFor => Self::KnownFor(written.time(KNOWN_FOR, "1h").map_err(wrong)?),
            Key::Exempt => Self::Exempt(prefixes(&key.to_string(), &written)?),
            Key::Names => Self::Names(written.choice(&NAMES).map_err(wrong)?),
            Key::NamesFor => Self::NamesFor(written.time(NAMES_FOR, "1h").map_err(wrong)?),
            Key::Resolvers => Self::Resolvers(Resolvers::read(&written, &key.to_string())?),
            Key::EventAfter => Self::EventAfter(written.time(EVENT_AFTER, "1s").map_err(wrong)?),
            Key::NeverHold => Self::NeverHold(NeverHoldList::read(value, written.span)?),
            Key::Host(limit) => Self::Host(Limit::read(limit, &key.to_string(), &written)?),
        })
    }

    /// Reads the value of `key` from a command line: TOML, a string without quotes, or a list of prefixes or resolvers
    /// separated by commas.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_text(key: Key, text: &str) -> Result<Self, WrongValue> {
        with_list(matches!(key, Key::Exempt | Key::Resolvers), text, |value, span| {
            Self::from_toml(key, value, span)
        })
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Preset(_) => Key::Preset,
            Self::Mode(_) => Key::Mode,
            Self::Persist(_) => Key::Persist,
            Self::Exempt(_) => Key::Exempt,
            Self::NeverHold(_) => Key::NeverHold,
            Self::RawTcp(_) => Key::RawTcp,
            Self::Wakeups(_) => Key::Wakeups,
            Self::Records(_) => Key::Records,
            Self::KnownFor(_) => Key::KnownFor,
            Self::Names(_) => Key::Names,
            Self::NamesFor(_) => Key::NamesFor,
            Self::Resolvers(_) => Key::Resolvers,
            Self::EventAfter(_) => Key::EventAfter,
            Self::Host(limit) => Key::Host(limit.key()),
        }
    }

    /// Its value in TOML, as [`Setting::from_toml`] reads it.
    #[must_use]
    pub fn value(&self) -> toml_edit::Value {
        match self {
            Self::Preset(preset) => preset.name().into(),
            Self::Mode(mode) => name_of(&MODES, mode).into(),
            Self::Persist(flag) | Self::Wakeups(flag) => (*flag).into(),
            Self::Exempt(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
            Self::NeverHold(list) => list.value(),
            Self::RawTcp(raw_tcp) => name_of(&RAW_TCP, raw_tcp).into(),
            Self::Records(number) => i64::from(*number).into(),
            Self::KnownFor(time) | Self::NamesFor(time) | Self::EventAfter(time) => show_time(*time).into(),
            Self::Names(trust) => name_of(&NAMES, trust).into(),
            Self::Resolvers(resolvers) => resolvers.names().collect(),
            Self::Host(limit) => limit.value(),
        }
    }

    /// Its value, written out so that it does not depend on the version that reads it.
    #[must_use]
    pub fn in_full(&self) -> toml_edit::Value {
        if let Self::NeverHold(list) = self { list.in_full() } else { self.value() }
    }

    /// Its value as the lines of a file.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if let Self::NeverHold(list) = self { list.lines() } else { vec![self.value().to_string()] }
    }

    /// Its value as `get` prints it: a string without quotes.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Exempt(prefixes) => prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            Self::Resolvers(resolvers) => resolvers.names().collect::<Vec<_>>().join(", "),
            _ => show(&self.value()),
        }
    }

    /// Puts it into `settings`.
    pub fn apply(&self, settings: &mut Settings) {
        match self {
            Self::Preset(_) | Self::Persist(_) | Self::Resolvers(_) | Self::EventAfter(_) => {}
            Self::Mode(mode) => settings.mode = *mode,
            Self::Exempt(prefixes) => settings.exempt.clone_from(prefixes),
            Self::NeverHold(list) => settings.never_hold = list.apply(),
            Self::RawTcp(raw_tcp) => settings.raw_tcp = *raw_tcp,
            Self::Wakeups(wakeups) => settings.wakeups = *wakeups,
            Self::Records(number) => settings.records = *number,
            Self::KnownFor(time) => settings.known_for = *time,
            Self::Names(trust) => settings.names = *trust,
            Self::NamesFor(time) => settings.names_for = *time,
            Self::Host(limit) => limit.apply(&mut settings.host),
        }
    }
}

pub(super) const MODES: [(&str, Mode); 3] =
    [("enforce", Mode::Enforce), ("audit", Mode::Audit), ("off", Mode::Off)];
const NAMES: [(&str, NameTrust); 3] =
    [("off", NameTrust::Off), ("client", NameTrust::Client), ("host", NameTrust::Host)];
const RAW_TCP: [(&str, RawTcp); 3] =
    [("refuse", RawTcp::Refuse), ("count", RawTcp::Count), ("allow", RawTcp::Allow)];

/// The name of a trust in names as the configuration writes it.
#[must_use]
pub fn name_trust_name(trust: NameTrust) -> &'static str {
    name_of(&NAMES, &trust)
}

/// The name of a mode as the configuration writes it.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    name_of(&MODES, &mode)
}

/// Reads a list of prefixes, called `name`: sorted, without doubles.
pub(super) fn prefixes(name: &str, written_list: &Written<'_, '_>) -> Result<Vec<IpNet>, WrongValue> {
    let key = || name.to_owned();
    let DeValue::Array(list) = written_list.value else {
        return Err(written_list.wrong(key(), PREFIXES.into()));
    };
    let mut prefixes = Vec::with_capacity(list.len());
    for item in list {
        let text = item.get_ref().as_str();
        let prefix = text.and_then(|text| {
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        });
        prefixes.push(
            prefix.map(|prefix| prefix.trunc()).ok_or_else(|| {
                WrongValue::new(key(), written(item.get_ref()), PREFIXES.into(), item.span())
            })?,
        );
    }
    prefixes.sort();
    prefixes.dedup();
    Ok(prefixes)
}
