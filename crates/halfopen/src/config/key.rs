//! The names of what can be set.

use std::fmt;

/// One number of a scope's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKey {
    /// Attempts that may be half-open at once.
    HalfOpen,
    /// How long an unanswered attempt keeps its slot.
    SlotLife,
    /// Releases per time.
    Drain,
    /// Whether a release needs a free slot.
    Strict,
    /// Attempts that may wait.
    Queue,
    /// What becomes of those beyond.
    Overflow,
    /// The longest wait.
    MaxWait,
    /// First contacts that may go out before any was answered.
    FirstContacts,
    /// How many of a scan's first contacts are answered.
    AnswersOfAScan,
    /// How many of those of a program that looks for peers.
    AnswersOfPeers,
    /// How many credits come back in a time.
    CreditRate,
    /// Addresses that count as known although they never answered.
    WorkingSet,
    /// Which waiting first contact goes out next.
    Order,
    /// What is done about a suspect.
    OnSuspect,
    /// For how long.
    BlockFor,
    /// First contacts over UDP per time.
    UdpFirstContacts,
    /// What becomes of those beyond.
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

    /// As it is written in a file.
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
    /// Hold, count or let alone.
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
    /// For whom DNS answers count.
    Names,
    /// How long an address stays named.
    NamesFor,
    /// Whose answers count.
    Resolvers,
    /// From which wait on event 4226 is sent.
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

    /// As it is written in its table.
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

/// What to write in place of a key that earlier versions had.
#[must_use]
pub fn replaced(given: &str) -> Option<&'static str> {
    match given {
        "reward" => Some(
            "what an answer earns follows from answers_of_a_scan and answers_of_peers: write those, as \"2%\" and \"10%\"; \
             answers_of_a_scan = \"off\" in place of reward = 0",
        ),
        "recover" => Some("write credit_rate, as \"2/s\" in place of recover = \"500ms\""),
        "recover_most" => Some(
            "leave it out: credit_rate halves with every twelve first contacts that meet silence, to 1/512s",
        ),
        "poke" => Some("write wakeups in place of poke"),
        "essential" => Some("write never_hold in place of essential; its rules stay as they are"),
        _ => None,
    }
}

/// The hint that goes with [`nearest`].
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
}

/// What a limit that nothing has may have been meant for; `known` are those and other names that may stand there.
pub fn limit_meant<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    replaced(given).map(str::to_owned).or_else(|| nearest(given, known).map(did_you_mean))
}
