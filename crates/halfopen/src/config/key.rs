//! The names of what can be set.

use std::fmt;

/// One of the limits of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKey {
    /// Attempts that may be half-open at once.
    HalfOpen,
    /// How long an unanswered attempt keeps its slot.
    SlotLife,
    /// Releases per unit of time.
    Drain,
    /// Whether a release needs a free slot.
    Strict,
    /// Attempts that may wait.
    Queue,
    /// What happens to attempts beyond that number.
    Overflow,
    /// The longest wait.
    MaxWait,
    /// First contacts that may go out before any was answered.
    FirstContacts,
    /// The share of a scan's first contacts that is answered.
    AnswersOfAScan,
    /// The same share for a program that looks for peers.
    AnswersOfPeers,
    /// How much credit comes back per unit of time.
    CreditRate,
    /// Addresses that count as known although they never answered.
    WorkingSet,
    /// Which waiting first contact goes out next.
    Order,
    /// What happens to a suspect.
    OnSuspect,
    /// How long a block lasts.
    BlockFor,
    /// First contacts over UDP per unit of time.
    UdpFirstContacts,
    /// What happens to first contacts over UDP beyond that rate.
    UdpExcess,
}

impl LimitKey {
    /// All of them, in the order of the sample file.
    pub const ALL: [Self; 17] = [
        Self::HalfOpen,
        Self::SlotLife,
        Self::Drain,
        Self::Strict,
        Self::Queue,
        Self::Overflow,
        Self::MaxWait,
        Self::FirstContacts,
        Self::AnswersOfAScan,
        Self::AnswersOfPeers,
        Self::CreditRate,
        Self::WorkingSet,
        Self::Order,
        Self::OnSuspect,
        Self::BlockFor,
        Self::UdpFirstContacts,
        Self::UdpExcess,
    ];

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::SlotLife => "slot_life",
            Self::Drain => "drain",
            Self::Strict => "strict",
            Self::Queue => "queue",
            Self::Overflow => "overflow",
            Self::MaxWait => "max_wait",
            Self::FirstContacts => "first_contacts",
            Self::AnswersOfAScan => "answers_of_a_scan",
            Self::AnswersOfPeers => "answers_of_peers",
            Self::CreditRate => "credit_rate",
            Self::WorkingSet => "working_set",
            Self::Order => "order",
            Self::OnSuspect => "on_suspect",
            Self::BlockFor => "block_for",
            Self::UdpFirstContacts => "udp_first_contacts",
            Self::UdpExcess => "udp_excess",
        }
    }

    /// The key of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The limits to start from.
    Preset,
    /// Whether attempts are held, counted or left alone.
    Mode,
    /// Whether the limit outlives the daemon.
    Persist,
    /// Destinations never counted.
    Exempt,
    /// Programs never held.
    NeverHold,
    /// TCP through raw sockets.
    RawTcp,
    /// Whether waiters are woken when their turn comes.
    Wakeups,
    /// How many attempts may be alive at once.
    Records,
    /// How long an address that answered stays known.
    KnownFor,
    /// Whose attempts DNS answers count for.
    Names,
    /// How long an address stays named.
    NamesFor,
    /// The resolvers whose answers count.
    Resolvers,
    /// How long an attempt must have waited before event 4226 is sent.
    EventAfter,
    /// A limit of the host scope.
    Host(LimitKey),
}

impl Key {
    /// The keys outside any table, in the order of the sample file.
    pub const TOP: [Self; 13] = [
        Self::Preset,
        Self::Mode,
        Self::Persist,
        Self::Exempt,
        Self::NeverHold,
        Self::RawTcp,
        Self::Wakeups,
        Self::Records,
        Self::KnownFor,
        Self::Names,
        Self::NamesFor,
        Self::Resolvers,
        Self::EventAfter,
    ];

    /// All keys, in the order of the sample file.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TOP.into_iter().chain(LimitKey::ALL.into_iter().map(Self::Host))
    }

    /// Its name in its table.
    #[must_use]
    pub fn leaf(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Mode => "mode",
            Self::Persist => "persist",
            Self::Exempt => "exempt",
            Self::NeverHold => "never_hold",
            Self::RawTcp => "raw_tcp",
            Self::Wakeups => "wakeups",
            Self::Records => "records",
            Self::KnownFor => "known_for",
            Self::Names => "names",
            Self::NamesFor => "names_for",
            Self::Resolvers => "resolvers",
            Self::EventAfter => "event_after",
            Self::Host(limit) => limit.name(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = if matches!(self, Self::Host(_)) { "host." } else { "" };
        write!(f, "{table}{}", self.leaf())
    }
}

/// The known name most like `given`, if any is alike at all.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (name, strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase())))
        .filter(|(_, likeness)| *likeness > 0.75)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

/// What replaces a key of earlier versions.
#[must_use]
pub fn replaced(given: &str) -> Option<&'static str> {
    match given {
        "reward" => Some(
            "answers_of_a_scan and answers_of_peers now determine what an answer earns: set those, such as \"2%\" and \
             \"10%\"; for reward = 0, set answers_of_a_scan = \"off\"",
        ),
        "recover" => Some("set credit_rate, such as \"2/s\", instead of recover = \"500ms\""),
        "recover_most" => Some(
            "remove it: credit_rate halves with every twelve first contacts that meet silence, down to 1/512s",
        ),
        "poke" => Some("it is now called wakeups"),
        "essential" => Some("it is now called never_hold; its rules stay the same"),
        _ => None,
    }
}

/// The hint that goes with [`nearest`].
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
}

/// What the user may have meant by an unknown limit. `known` are the limits and the other names allowed in that place.
pub fn limit_meant<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    replaced(given).map(str::to_owned).or_else(|| nearest(given, known).map(did_you_mean))
}
