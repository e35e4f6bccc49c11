//! One limit of the host, a rule or an interface, and its value.

use super::key::LimitKey;
use super::value::{Expected, Written, WrongValue, name_of, show, with_toml_or_string};
use halfopen_policy::limits::{parse_time, show_time};
use halfopen_policy::{
    Excess, FirstContact, FirstDatagrams, Limits, OnSuspect, Order, Overflow, Rate, Share,
};
use std::time::Duration;

/// A key with its value.
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
    /// Attempts, at least one; [`QUEUE_UNLIMITED`] = unlimited.
    Queue(u32),
    /// What happens to attempts beyond the queue.
    Overflow(Overflow),
    /// `None` = as long as the program would have waited.
    MaxWait(Option<Duration>),
    /// 1 to [`FirstContact::MOST`]; `None` = first contacts are attempts like any other.
    FirstContacts(Option<u32>),
    /// `None` = nothing is tested.
    AnswersOfAScan(Option<Share>),
    /// Greater than the share of a scan.
    AnswersOfPeers(Share),
    /// The rate if no contact met silence.
    CreditRate(Rate),
    /// 0 to [`FirstContact::WORKING_SET_MOST`].
    WorkingSet(u32),
    /// Which waiter goes out when there is credit.
    Order(Order),
    /// What happens to a suspect.
    OnSuspect(Action),
    /// Within [`BLOCK_FOR`].
    BlockFor(Duration),
    /// `None` = no limit.
    UdpFirstContacts(Option<Rate>),
    /// What happens to first contacts over UDP beyond the rate.
    UdpExcess(Excess),
}

/// What happens to a suspect.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Status and events name it.
    Notify,
    /// In addition, its answers earn no more than they cost.
    Throttle,
    /// In addition, its `connect()` calls fail for a while.
    Block,
}

/// The value that the kernel part takes as no limit on the queue.
pub const QUEUE_UNLIMITED: u32 = u32::MAX;
/// The shortest and the longest block.
pub const BLOCK_FOR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// How long a block lasts by default.
const USUAL_BLOCK: Duration = Duration::from_mins(10);

const OVERFLOW: [(&str, Overflow); 2] = [("refuse", Overflow::Refuse), ("wait", Overflow::Wait)];
const ORDER: [(&str, Order); 2] = [("oldest", Order::Oldest), ("either", Order::Either)];
const ACTION: [(&str, Action); 3] =
    [("notify", Action::Notify), ("throttle", Action::Throttle), ("block", Action::Block)];
const EXCESS: [(&str, Excess); 2] = [("refuse", Excess::Refuse), ("drop", Excess::Drop)];
const MAX_WAIT: &str = "expected a time above 0, such as \"30s\", or \"program\" to wait as long as \
                        the program would have waited";
const DRAIN: &str = "expected releases per unit of time, such as \"10/s\" or \"1/4s\", or \"unlimited\"";
const CREDIT_RATE: &str = "expected first contacts per unit of time, such as \"2/s\" or \"1/4s\"";
const OF_A_SCAN: &str = "expected a percentage from \"0.1%\" to \"99.9%\", such as \"2%\", or \"off\"";
const OF_PEERS: &str = "expected a percentage from \"0.1%\" to \"99.9%\", such as \"10%\"";
const UDP: &str = "expected addresses per unit of time, such as \"20/s\" or \"1/4s\", or \"off\"";

impl Limit {
    pub(super) fn read(key: LimitKey, name: &str, written: &Written<'_, '_>) -> Result<Self, WrongValue> {
        Self::of_value(key, written).map_err(|accepted| written.wrong(name.to_owned(), accepted))
    }

    fn of_value(key: LimitKey, written: &Written<'_, '_>) -> Result<Self, Expected> {
        const UNLIMITED: &str = "unlimited";
        Ok(match key {
            LimitKey::HalfOpen if written.is(UNLIMITED) => Self::HalfOpen(None),
            LimitKey::HalfOpen => Self::HalfOpen(Some(written.number(1..=u32::MAX, Some(UNLIMITED))?)),
            LimitKey::SlotLife => Self::SlotLife(written.time(Limits::SLOT_LIFE, "21s")?),
            LimitKey::Drain if written.is(UNLIMITED) => Self::Drain(None),
            LimitKey::Drain => Self::Drain(Some(rate(written, DRAIN)?)),
            LimitKey::Strict => Self::Strict(written.flag()?),
            LimitKey::Queue if written.is(UNLIMITED) => Self::Queue(QUEUE_UNLIMITED),
            LimitKey::Queue => Self::Queue(written.number(1..=u32::MAX, Some(UNLIMITED))?),
            LimitKey::Overflow => Self::Overflow(written.choice(&OVERFLOW)?),
            LimitKey::MaxWait if written.is("program") => Self::MaxWait(None),
            LimitKey::MaxWait => {
                let time = written.value.as_str().and_then(|text| parse_time(text).ok());
                Self::MaxWait(Some(time.filter(|time| !time.is_zero()).ok_or(MAX_WAIT)?))
            }
            LimitKey::FirstContacts if written.is("off") => Self::FirstContacts(None),
            LimitKey::FirstContacts => {
                Self::FirstContacts(Some(written.number(1..=FirstContact::MOST, Some("off"))?))
            }
            LimitKey::AnswersOfAScan if written.is("off") => Self::AnswersOfAScan(None),
            LimitKey::AnswersOfAScan => Self::AnswersOfAScan(Some(share(written, OF_A_SCAN)?)),
            LimitKey::AnswersOfPeers => Self::AnswersOfPeers(share(written, OF_PEERS)?),
            LimitKey::CreditRate => Self::CreditRate(rate(written, CREDIT_RATE)?),
            LimitKey::WorkingSet => {
                Self::WorkingSet(written.number(0..=FirstContact::WORKING_SET_MOST, None)?)
            }
            LimitKey::Order => Self::Order(written.choice(&ORDER)?),
            LimitKey::OnSuspect => Self::OnSuspect(written.choice(&ACTION)?),
            LimitKey::BlockFor => Self::BlockFor(written.time(BLOCK_FOR, "10m")?),
            LimitKey::UdpFirstContacts if written.is("off") => Self::UdpFirstContacts(None),
            LimitKey::UdpFirstContacts => Self::UdpFirstContacts(Some(rate(written, UDP)?)),
            LimitKey::UdpExcess => Self::UdpExcess(written.choice(&EXCESS)?),
        })
    }

    /// Reads a limit, called `name`, from a command line.
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
            _ => Err(WrongValue::new(
                "TcpNumConnections".into(),
                text.to_owned(),
                "expected a whole number from 1 to 16777213, decimal or as 0x32, or 0xfffffe for unlimited"
                    .into(),
                0..text.len(),
            )),
        }
    }

    /// The limit of `limits` that `key` names. If first contacts cost nothing, the value that would apply if they did.
    #[must_use]
    pub fn of(limits: &Limits, key: LimitKey) -> Self {
        let first = limits.first_contact.unwrap_or_else(FirstContact::adaptive);
        match key {
            LimitKey::HalfOpen => Self::HalfOpen(limits.half_open),
            LimitKey::SlotLife => Self::SlotLife(limits.slot_life),
            LimitKey::Drain => Self::Drain(limits.drain),
            LimitKey::Strict => Self::Strict(limits.strict),
            LimitKey::Queue => Self::Queue(limits.queue),
            LimitKey::Overflow => Self::Overflow(limits.overflow),
            LimitKey::MaxWait => Self::MaxWait(limits.max_wait),
            LimitKey::FirstContacts => Self::FirstContacts(limits.first_contact.map(|first| first.credit)),
            LimitKey::AnswersOfAScan => Self::AnswersOfAScan(first.answers_of_a_scan),
            LimitKey::AnswersOfPeers => Self::AnswersOfPeers(first.answers_of_peers),
            LimitKey::CreditRate => Self::CreditRate(first.rate),
            LimitKey::WorkingSet => Self::WorkingSet(first.working_set),
            LimitKey::Order => Self::Order(first.order),
            LimitKey::OnSuspect => Self::OnSuspect(Action::of(first.on_suspect)),
            LimitKey::BlockFor => Self::BlockFor(block_for(first.on_suspect)),
            LimitKey::UdpFirstContacts => Self::UdpFirstContacts(limits.datagrams.map(|of| of.rate)),
            LimitKey::UdpExcess => {
                Self::UdpExcess(limits.datagrams.map_or_else(Excess::default, |of| of.excess))
            }
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
            Self::FirstContacts(_) => LimitKey::FirstContacts,
            Self::AnswersOfAScan(_) => LimitKey::AnswersOfAScan,
            Self::AnswersOfPeers(_) => LimitKey::AnswersOfPeers,
            Self::CreditRate(_) => LimitKey::CreditRate,
            Self::WorkingSet(_) => LimitKey::WorkingSet,
            Self::Order(_) => LimitKey::Order,
            Self::OnSuspect(_) => LimitKey::OnSuspect,
            Self::BlockFor(_) => LimitKey::BlockFor,
            Self::UdpFirstContacts(_) => LimitKey::UdpFirstContacts,
            Self::UdpExcess(_) => LimitKey::UdpExcess,
        }
    }

    /// Its value in TOML.
    #[must_use]
    pub fn value(&self) -> toml_edit::Value {
        match self {
            Self::HalfOpen(None) | Self::Drain(None) | Self::Queue(QUEUE_UNLIMITED) => "unlimited".into(),
            Self::MaxWait(None) => "program".into(),
            Self::FirstContacts(None) | Self::AnswersOfAScan(None) | Self::UdpFirstContacts(None) => {
                "off".into()
            }
            Self::HalfOpen(Some(number))
            | Self::Queue(number)
            | Self::FirstContacts(Some(number))
            | Self::WorkingSet(number) => i64::from(*number).into(),
            Self::SlotLife(time) | Self::MaxWait(Some(time)) | Self::BlockFor(time) => {
                show_time(*time).into()
            }
            Self::Drain(Some(rate)) | Self::CreditRate(rate) | Self::UdpFirstContacts(Some(rate)) => {
                rate.to_string().into()
            }
            Self::AnswersOfAScan(Some(share)) | Self::AnswersOfPeers(share) => share.to_string().into(),
            Self::Strict(strict) => (*strict).into(),
            Self::Overflow(overflow) => name_of(&OVERFLOW, overflow).into(),
            Self::Order(order) => name_of(&ORDER, order).into(),
            Self::OnSuspect(action) => name_of(&ACTION, action).into(),
            Self::UdpExcess(excess) => name_of(&EXCESS, excess).into(),
        }
    }

    /// Its value as `get` prints it: a string without its quotes.
    #[must_use]
    pub fn show(&self) -> String {
        show(&self.value())
    }

    /// Puts the limit into `limits`. Limits of first contacts have no effect while first contacts cost nothing, nor has
    /// `block_for` while suspects are not blocked. So apply limits in the order of [`LimitKey::ALL`].
    pub fn apply(&self, limits: &mut Limits) {
        match *self {
            Self::HalfOpen(half_open) => limits.half_open = half_open,
            Self::SlotLife(slot_life) => limits.slot_life = slot_life,
            Self::Drain(drain) => limits.drain = drain,
            Self::Strict(strict) => limits.strict = strict,
            Self::Queue(queue) => limits.queue = queue,
            Self::Overflow(overflow) => limits.overflow = overflow,
            Self::MaxWait(max_wait) => limits.max_wait = max_wait,
            Self::FirstContacts(credit) => {
                let usual = limits.first_contact.unwrap_or_else(FirstContact::adaptive);
                limits.first_contact = credit.map(|credit| FirstContact { credit, ..usual });
            }
            Self::UdpFirstContacts(rate) => {
                let excess = limits.datagrams.map_or_else(Excess::default, |of| of.excess);
                limits.datagrams = rate.map(|rate| FirstDatagrams { rate, excess });
            }
            Self::UdpExcess(excess) => {
                if let Some(datagrams) = &mut limits.datagrams {
                    datagrams.excess = excess;
                }
            }
            _ => {
                if let Some(first) = &mut limits.first_contact {
                    self.apply_to_first_contacts(first);
                }
            }
        }
    }

    fn apply_to_first_contacts(&self, first: &mut FirstContact) {
        match *self {
            Self::AnswersOfAScan(share) => first.answers_of_a_scan = share,
            Self::AnswersOfPeers(share) => first.answers_of_peers = share,
            Self::CreditRate(rate) => first.rate = rate,
            Self::WorkingSet(working_set) => first.working_set = working_set,
            Self::Order(order) => first.order = order,
            Self::OnSuspect(Action::Notify) => first.on_suspect = OnSuspect::Notify,
            Self::OnSuspect(Action::Throttle) => first.on_suspect = OnSuspect::Throttle,
            Self::OnSuspect(Action::Block) => {
                first.on_suspect = OnSuspect::Block(block_for(first.on_suspect));
            }
            Self::BlockFor(time) => {
                if let OnSuspect::Block(block_for) = &mut first.on_suspect {
                    *block_for = time;
                }
            }
            _ => {}
        }
    }
}

impl Action {
    /// The action of `on_suspect`.
    #[must_use]
    pub fn of(on_suspect: OnSuspect) -> Self {
        match on_suspect {
            OnSuspect::Notify => Self::Notify,
            OnSuspect::Throttle => Self::Throttle,
            OnSuspect::Block(_) => Self::Block,
        }
    }

    /// As a file writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(&ACTION, &self)
    }
}

fn rate(written: &Written<'_, '_>, expected: &str) -> Result<Rate, Expected> {
    let text = written.value.as_str().ok_or(expected)?;
    text.parse().map_err(|e| format!("{expected} ({e})"))
}

fn share(written: &Written<'_, '_>, expected: &str) -> Result<Share, Expected> {
    written.value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| expected.to_owned())
}

fn block_for(on_suspect: OnSuspect) -> Duration {
    if let OnSuspect::Block(time) = on_suspect { time } else { USUAL_BLOCK }
}

/// `TcpNumConnections` in the numbers of the original.
#[must_use]
pub fn tcp_num_connections(half_open: Option<u32>) -> u32 {
    half_open.map_or(Limits::UNLIMITED, |number| number.min(Limits::UNLIMITED))
}
