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
}

impl LimitKey {
    /// All of them, in the order of the sample file.
    pub const ALL: [Self; 7] = [
        Self::HalfOpen,
        Self::SlotLife,
        Self::Drain,
        Self::Strict,
        Self::Queue,
        Self::Overflow,
        Self::MaxWait,
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
    Essential,
    /// TCP through raw sockets.
    RawTcp,
    /// Whether waiters are woken when their turn comes.
    Poke,
    /// A limit of the host scope.
    Host(LimitKey),
}

impl Key {
    /// The keys outside any table, in the order of the sample file.
    pub const TOP: [Self; 7] =
        [Self::Preset, Self::Mode, Self::Persist, Self::Exempt, Self::Essential, Self::RawTcp, Self::Poke];

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
            Self::Essential => "essential",
            Self::RawTcp => "raw_tcp",
            Self::Poke => "poke",
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

/// What `get` and `set` can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A key of the configuration.
    Key(Key),
    /// The host's `half_open` in the numbers of the original.
    TcpNumConnections,
    /// A limit of a scope that `exec` made.
    Scope(String, LimitKey),
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchName {
    /// Neither a key nor an alias.
    #[error("there is no {given:?}: {hint}")]
    Unknown {
        /// As it was given.
        given: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// A limit of one interface.
    #[error("{0}: this version has no limits for single interfaces; TcpNumConnections sets the host's")]
    Interface(String),
}

const ORIGINAL: &str = "TcpNumConnections";

impl Name {
    /// Reads a name as `get`, `set` and `--set` take it. Letters' case does not matter in the original's names.
    ///
    /// # Errors
    /// [`NoSuchName`] with the nearest name there is.
    pub fn read(text: &str) -> Result<Self, NoSuchName> {
        if text.eq_ignore_ascii_case(ORIGINAL) {
            return Ok(Self::TcpNumConnections);
        }
        if text.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("interfaces\\")) {
            return Err(NoSuchName::Interface(text.to_owned()));
        }
        if let Some((scope, limit)) = text.strip_prefix("scope.").and_then(|rest| rest.rsplit_once('.'))
            && let Some(limit) = LimitKey::named(limit)
        {
            return Ok(Self::Scope(scope.to_owned(), limit));
        }
        let key = Key::all().find(|key| text == key.to_string() || text == key.leaf());
        key.map(Self::Key).ok_or_else(|| {
            let names: Vec<String> = Key::all().map(|key| key.to_string()).chain([ORIGINAL.into()]).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let leaves: Vec<&str> = LimitKey::ALL.map(LimitKey::name).to_vec();
            let hint = nearest(text, names.iter().chain(&leaves).copied()).map_or_else(
                || format!("the names are {}, scope.NAME.half_open", names.join(", ")),
                did_you_mean,
            );
            NoSuchName::Unknown { given: text.to_owned(), hint }
        })
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

/// The hint that goes with [`nearest`].
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
}
