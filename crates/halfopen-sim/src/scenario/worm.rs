//! Worms, as data files.

use super::number::{Count, PerSecond, Share, Span};
use crate::host::Stack;
use serde::Deserialize;
use std::time::Duration;

/// The built-in worms: name and data file.
pub const WORMS: [(&str, &str); 10] = [
    ("sasser", include_str!("../../worms/sasser.toml")),
    ("blaster", include_str!("../../worms/blaster.toml")),
    ("code-red-v2", include_str!("../../worms/code-red-v2.toml")),
    ("nimda", include_str!("../../worms/nimda.toml")),
    ("nimda-lab", include_str!("../../worms/nimda-lab.toml")),
    ("slammer", include_str!("../../worms/slammer.toml")),
    ("ssh-bot", include_str!("../../worms/ssh-bot.toml")),
    ("hit-list", include_str!("../../worms/hit-list.toml")),
    ("mail-relayer", include_str!("../../worms/mail-relayer.toml")),
    ("uniform", include_str!("../../worms/uniform.toml")),
];

/// How a worm spreads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worm {
    /// One line for people.
    pub about: String,
    /// What carries it.
    pub protocol: Protocol,
    /// Where it knocks.
    pub port: u16,
    /// The TCP of the hosts that it lives on.
    #[serde(default)]
    pub stack: Stack,
    /// How fast it dials.
    pub pace: Pace,
    /// After this time without an answer it closes the socket.
    pub patience: Span,
    /// Which addresses it dials.
    pub targets: Targets,
    /// From the answer to the moment at which the new host begins to scan.
    pub takes: Span,
    /// The share of vulnerable hosts reached that it gets.
    #[serde(default = "all")]
    pub succeeds: Share,
}

fn all() -> Share {
    Share::ALL
}

/// What carries a worm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Each contact is a connect().
    Tcp,
    /// Each contact is a datagram. No limit on TCP touches it.
    Udp,
}

/// How fast a worm dials.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Pace {
    /// So many threads, each dialling the next address when its last dial has ended.
    Threads(Count<10_000>),
    /// So many dials a second, whatever becomes of them.
    PerSecond(PerSecond),
    /// So many sockets at once, and the next ones after `wait`; those without an answer are closed then.
    Batch {
        /// How many at once.
        sockets: Count<10_000>,
        /// From one batch to the next.
        wait: Span,
    },
}

/// Which addresses a worm dials. The shares sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Anywhere.
    #[serde(default)]
    pub anywhere: Share,
    /// In the host's own /8.
    #[serde(default)]
    pub same_8: Share,
    /// In the host's own /16.
    #[serde(default)]
    pub same_16: Share,
    /// One of these fixed addresses, which answer; each delivers to a random host of the population.
    #[serde(default)]
    pub fixed: Option<Count<1_000>>,
    /// Whether it draws a first address only, and goes on to the next one up.
    #[serde(default)]
    pub sequential: bool,
    /// How many vulnerable addresses it knows from the start, and dials before all others. A new host takes half of
    /// what is left of its parent's list.
    #[serde(default)]
    pub hit_list: usize,
}

/// Where a dial goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Anywhere.
    Anywhere,
    /// Within the same /8.
    Same8,
    /// Within the same /16.
    Same16,
}

impl Reach {
    /// All, by their number.
    pub const ALL: [Self; 3] = [Self::Anywhere, Self::Same8, Self::Same16];
}

impl Targets {
    /// The shares, in the order of [`Reach::ALL`].
    #[must_use]
    pub fn shares(&self) -> [f64; 3] {
        [self.anywhere, self.same_8, self.same_16].map(Share::of_one)
    }

    /// What is wrong with them, if anything.
    pub(super) fn mistake(&self) -> Option<String> {
        let sum: f64 = self.shares().iter().sum();
        if self.fixed.is_some() {
            return (sum > 0.0).then(|| {
                "a worm with `fixed` addresses dials no others: remove anywhere, same_8 and same_16"
                    .to_owned()
            });
        }
        ((sum - 1.0).abs() > 1e-9)
            .then(|| format!("anywhere, same_8 and same_16 sum to {sum}, not to 1: change one of them"))
    }
}

impl Worm {
    /// How long a dial lasts at most.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.pace {
            Pace::Batch { wait, .. } => self.patience.time().min(wait.time()),
            Pace::Threads(_) | Pace::PerSecond(_) => self.patience.time(),
        }
    }

    /// The built-in one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static str> {
        WORMS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }
}
