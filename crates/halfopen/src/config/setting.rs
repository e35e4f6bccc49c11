//! A key with its value, read from a file or from the command line.

use super::essential::EssentialList;
use super::key::{Key, LimitKey};
use halfopen_kernel::Settings;
use halfopen_policy::limits::{parse_time, show_time};
use halfopen_policy::{Limits, Mode, Overflow, Rate, RawTcp};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;
use toml::de::DeValue;

/// The presets known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Windows XP SP2.
    XpSp2,
}

/// One limit of a scope and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// `None` = unlimited.
    HalfOpen(Option<u32>),
    /// Within [`Limits::SLOT_LIFE`].
    SlotLife(Duration),
    /// `None` = unlimited.
    Drain(Option<Rate>),
    /// Whether a release needs a free slot.
    Strict(bool),
    /// Attempts, at least one.
    Queue(u32),
    /// What becomes of those beyond.
    Overflow(Overflow),
    /// `None` = as long as the program would have waited.
    MaxWait(Option<Duration>),
}

/// One key of the configuration and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The limits to start from.
    Preset(Preset),
    /// Hold, count or let alone.
    Mode(Mode),
    /// Whether the limit outlives the daemon.
    Persist(bool),
    /// Sorted, without doubles.
    Exempt(Vec<IpNet>),
    /// Programs never held.
    Essential(EssentialList),
    /// TCP through raw sockets.
    RawTcp(RawTcp),
    /// Whether waiters are woken when their turn comes.
    Poke(bool),
    /// A limit of the host scope.
    Host(Limit),
}

/// A value that its key does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {given}: {accepted}")]
pub struct WrongValue {
    key: String,
    given: String,
    accepted: String,
    /// Where in the text it was read from, in bytes.
    pub span: Range<usize>,
}

impl WrongValue {
    pub(super) fn new(key: String, given: String, accepted: String, span: Range<usize>) -> Self {
        Self { key, given, accepted, span }
    }
}

/// A value as it was written, with its place in that text.
struct Written<'v, 'i> {
    value: &'v DeValue<'i>,
    span: Range<usize>,
}

/// What was expected in its stead.
type Expected = String;

const HALF_OPEN: &str = "expected a whole number from 1 to 4294967295, or \"unlimited\"";
const QUEUE: &str = "expected a whole number from 1 to 4294967295";
const MAX_WAIT: &str = "expected a time above 0, as \"30s\", or \"program\" for the program's own patience";
const PREFIXES: &str = "expected a list of prefixes, as [\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.7\"]";

impl Setting {
    /// Reads the value of `key` from TOML; `span` is the value's.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_toml(key: Key, value: &DeValue<'_>, span: Range<usize>) -> Result<Self, WrongValue> {
        let written = Written { value, span };
        let wrong = |accepted: Expected| written.wrong(key.to_string(), accepted);
        Ok(match key {
            Key::Preset => Self::Preset(choice(value, &[("xp-sp2", Preset::XpSp2)]).map_err(wrong)?),
            Key::Mode => Self::Mode(choice(value, &MODES).map_err(wrong)?),
            Key::RawTcp => Self::RawTcp(choice(value, &RAW_TCP).map_err(wrong)?),
            Key::Persist => Self::Persist(flag(value).map_err(wrong)?),
            Key::Poke => Self::Poke(flag(value).map_err(wrong)?),
            Key::Exempt => Self::Exempt(written.prefixes()?),
            Key::Essential => Self::Essential(EssentialList::read(value, written.span)?),
            Key::Host(limit) => Self::Host(Limit::read(limit, &key.to_string(), &written)?),
        })
    }

    /// Reads the value of `key` as it stands on a command line: TOML, or a string without its quotes, or a list of
    /// prefixes with commas between.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_text(key: Key, text: &str) -> Result<Self, WrongValue> {
        if key == Key::Exempt && !text.trim_start().starts_with('[') {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let list: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
            return with_toml_or_string(&format!("[{}]", list.join(",")), |value, span| {
                Self::from_toml(key, value, span)
            });
        }
        with_toml_or_string(text, |value, span| Self::from_toml(key, value, span))
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Preset(_) => Key::Preset,
            Self::Mode(_) => Key::Mode,
            Self::Persist(_) => Key::Persist,
            Self::Exempt(_) => Key::Exempt,
            Self::Essential(_) => Key::Essential,
            Self::RawTcp(_) => Key::RawTcp,
            Self::Poke(_) => Key::Poke,
            Self::Host(limit) => Key::Host(limit.key()),
        }
    }

    /// Its value in TOML, as [`Setting::from_toml`] reads it.
    #[must_use]
    pub fn value(&self) -> toml_edit::Value {
        match self {
            Self::Preset(Preset::XpSp2) => "xp-sp2".into(),
            Self::Mode(mode) => name_of(&MODES, mode).into(),
            Self::Persist(flag) | Self::Poke(flag) => (*flag).into(),
            Self::Exempt(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
            Self::Essential(list) => list.value(),
            Self::RawTcp(raw_tcp) => name_of(&RAW_TCP, raw_tcp).into(),
            Self::Host(limit) => limit.value(),
        }
    }

    /// Its value with nothing left to the version that reads it.
    #[must_use]
    pub fn in_full(&self) -> toml_edit::Value {
        if let Self::Essential(list) = self { list.in_full() } else { self.value() }
    }

    /// The lines of a file that say its value.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if let Self::Essential(list) = self { list.lines() } else { vec![self.value().to_string()] }
    }

    /// Its value as `get` prints it: a string without its quotes.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Exempt(prefixes) => prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            _ => show(&self.value()),
        }
    }

    /// Puts it into `settings`.
    pub fn apply(&self, settings: &mut Settings) {
        match self {
            Self::Preset(Preset::XpSp2) | Self::Persist(_) => {}
            Self::Mode(mode) => settings.mode = *mode,
            Self::Exempt(prefixes) => settings.exempt.clone_from(prefixes),
            Self::Essential(list) => settings.essential = list.apply(),
            Self::RawTcp(raw_tcp) => settings.raw_tcp = *raw_tcp,
            Self::Poke(poke) => settings.poke = *poke,
            Self::Host(limit) => limit.apply(&mut settings.host),
        }
    }
}

impl Limit {
    fn read(key: LimitKey, name: &str, written: &Written<'_, '_>) -> Result<Self, WrongValue> {
        let value = written.value;
        let wrong = |accepted: Expected| written.wrong(name.to_owned(), accepted);
        Ok(match key {
            LimitKey::HalfOpen if value.as_str() == Some("unlimited") => Self::HalfOpen(None),
            LimitKey::HalfOpen => Self::HalfOpen(Some(positive(value, HALF_OPEN).map_err(wrong)?)),
            LimitKey::SlotLife => Self::SlotLife(slot_life(value).map_err(wrong)?),
            LimitKey::Drain if value.as_str() == Some("unlimited") => Self::Drain(None),
            LimitKey::Drain => {
                let expected = "expected releases per time, as \"10/s\" or \"1/4s\", or \"unlimited\"";
                let text = value.as_str().ok_or_else(|| wrong(expected.into()))?;
                Self::Drain(Some(text.parse().map_err(|e| wrong(format!("{expected} ({e})")))?))
            }
            LimitKey::Strict => Self::Strict(flag(value).map_err(wrong)?),
            LimitKey::Queue => Self::Queue(positive(value, QUEUE).map_err(wrong)?),
            LimitKey::Overflow => Self::Overflow(choice(value, &OVERFLOW).map_err(wrong)?),
            LimitKey::MaxWait if value.as_str() == Some("program") => Self::MaxWait(None),
            LimitKey::MaxWait => {
                let time = value.as_str().and_then(|text| parse_time(text).ok());
                let time = time.filter(|time| !time.is_zero()).ok_or_else(|| wrong(MAX_WAIT.into()))?;
                Self::MaxWait(Some(time))
            }
        })
    }

    /// Reads a limit of the scope whose limit is called `name`, as it stands on a command line.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_text(key: LimitKey, name: &str, text: &str) -> Result<Self, WrongValue> {
        with_toml_or_string(text, |value, span| Self::read(key, name, &Written { value, span }))
    }

    /// Reads a number in the original's terms: decimal or 0x hex, `0xfffffe` = unlimited.
    ///
    /// # Errors
    /// [`WrongValue`] naming what is accepted.
    pub fn from_tcp_num_connections(text: &str) -> Result<Self, WrongValue> {
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let digits = hex.unwrap_or(text);
        let number = if digits.starts_with('+') {
            None
        } else {
            u32::from_str_radix(digits, if hex.is_some() { 16 } else { 10 }).ok()
        };
        match number {
            Some(Limits::UNLIMITED) => Ok(Self::HalfOpen(None)),
            Some(number @ 1..Limits::UNLIMITED) => Ok(Self::HalfOpen(Some(number))),
            _ => Err(WrongValue {
                key: "TcpNumConnections".into(),
                given: text.to_owned(),
                accepted: "expected a whole number from 1 to 16777213, decimal or as 0x32, \
                           or 0xfffffe for unlimited"
                    .into(),
                span: 0..text.len(),
            }),
        }
    }

    /// The limit of `limits` that `key` names.
    #[must_use]
    pub fn of(limits: &Limits, key: LimitKey) -> Self {
        match key {
            LimitKey::HalfOpen => Self::HalfOpen(limits.half_open),
            LimitKey::SlotLife => Self::SlotLife(limits.slot_life),
            LimitKey::Drain => Self::Drain(limits.drain),
            LimitKey::Strict => Self::Strict(limits.strict),
            LimitKey::Queue => Self::Queue(limits.queue),
            LimitKey::Overflow => Self::Overflow(limits.overflow),
            LimitKey::MaxWait => Self::MaxWait(limits.max_wait),
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> LimitKey {
        match self {
            Self::HalfOpen(_) => LimitKey::HalfOpen,
            Self::SlotLife(_) => LimitKey::SlotLife,
            Self::Drain(_) => LimitKey::Drain,
            Self::Strict(_) => LimitKey::Strict,
            Self::Queue(_) => LimitKey::Queue,
            Self::Overflow(_) => LimitKey::Overflow,
            Self::MaxWait(_) => LimitKey::MaxWait,
        }
    }

    fn value(&self) -> toml_edit::Value {
        match self {
            Self::HalfOpen(None) | Self::Drain(None) => "unlimited".into(),
            Self::MaxWait(None) => "program".into(),
            Self::HalfOpen(Some(number)) | Self::Queue(number) => i64::from(*number).into(),
            Self::SlotLife(time) | Self::MaxWait(Some(time)) => show_time(*time).into(),
            Self::Drain(Some(rate)) => rate.to_string().into(),
            Self::Strict(strict) => (*strict).into(),
            Self::Overflow(overflow) => name_of(&OVERFLOW, overflow).into(),
        }
    }

    /// Its value as `get` prints it: a string without its quotes.
    #[must_use]
    pub fn show(&self) -> String {
        show(&self.value())
    }

    /// Puts it into `limits`.
    pub fn apply(&self, limits: &mut Limits) {
        match *self {
            Self::HalfOpen(half_open) => limits.half_open = half_open,
            Self::SlotLife(slot_life) => limits.slot_life = slot_life,
            Self::Drain(drain) => limits.drain = drain,
            Self::Strict(strict) => limits.strict = strict,
            Self::Queue(queue) => limits.queue = queue,
            Self::Overflow(overflow) => limits.overflow = overflow,
            Self::MaxWait(max_wait) => limits.max_wait = max_wait,
        }
    }
}

const MODES: [(&str, Mode); 3] = [("enforce", Mode::Enforce), ("audit", Mode::Audit), ("off", Mode::Off)];
const RAW_TCP: [(&str, RawTcp); 3] =
    [("refuse", RawTcp::Refuse), ("count", RawTcp::Count), ("allow", RawTcp::Allow)];
const OVERFLOW: [(&str, Overflow); 2] = [("refuse", Overflow::Refuse), ("wait", Overflow::Wait)];

/// The name of a mode as the configuration writes it.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    name_of(&MODES, &mode)
}

/// `TcpNumConnections` as the original would hold it.
#[must_use]
pub fn tcp_num_connections(half_open: Option<u32>) -> u32 {
    half_open.map_or(Limits::UNLIMITED, |number| number.min(Limits::UNLIMITED))
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, named)| named == value).map_or("", |(name, _)| name)
}

fn choice<T: Copy>(value: &DeValue<'_>, names: &[(&str, T)]) -> Result<T, Expected> {
    let chosen = value.as_str().and_then(|text| names.iter().find(|(name, _)| *name == text));
    chosen.map(|(_, chosen)| *chosen).ok_or_else(|| {
        let names: Vec<String> = names.iter().map(|(name, _)| format!("{name:?}")).collect();
        format!("expected {}", names.join(" or "))
    })
}

fn flag(value: &DeValue<'_>) -> Result<bool, Expected> {
    value.as_bool().ok_or_else(|| "expected true or false".into())
}

fn positive(value: &DeValue<'_>, expected: &str) -> Result<u32, Expected> {
    value
        .as_integer()
        .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| expected.to_owned())
}

fn slot_life(value: &DeValue<'_>) -> Result<Duration, Expected> {
    let (shortest, longest) = Limits::SLOT_LIFE;
    value
        .as_str()
        .and_then(|text| parse_time(text).ok())
        .filter(|time| (shortest..=longest).contains(time))
        .ok_or_else(|| {
            format!("expected a time from {} to {}, as \"21s\"", show_time(shortest), show_time(longest))
        })
}

fn show(value: &toml_edit::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn with_toml_or_string<T>(text: &str, read: impl Fn(&DeValue<'_>, Range<usize>) -> T) -> T {
    match DeValue::parse(text) {
        Ok(value) => read(value.get_ref(), value.span()),
        Err(_) => read(&DeValue::String(text.into()), 0..text.len()),
    }
}

impl Written<'_, '_> {
    fn wrong(&self, key: String, accepted: Expected) -> WrongValue {
        WrongValue { key, given: written(self.value), accepted, span: self.span.clone() }
    }

    fn prefixes(&self) -> Result<Vec<IpNet>, WrongValue> {
        let wrong = || self.wrong(Key::Exempt.to_string(), PREFIXES.into());
        let DeValue::Array(list) = self.value else { return Err(wrong()) };
        let mut prefixes = Vec::with_capacity(list.len());
        for item in list {
            let text = item.get_ref().as_str();
            let prefix = text.and_then(|text| {
                text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
            });
            prefixes.push(prefix.map(|prefix| prefix.trunc()).ok_or_else(|| WrongValue {
                given: written(item.get_ref()),
                span: item.span(),
                ..wrong()
            })?);
        }
        prefixes.sort();
        prefixes.dedup();
        Ok(prefixes)
    }
}

pub(super) fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[...]".into(),
        DeValue::Table(_) => "{...}".into(),
    }
}
