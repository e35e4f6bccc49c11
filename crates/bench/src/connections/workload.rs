//! What a tenant does.

use std::time::Duration;

/// How many threads flood, each with one connection at a time.
pub const FLOODERS: usize = 32;
/// More connections than a flood makes in its time; fewer than a client has ports.
pub const FLOOD: usize = 50_000;
/// How many connect at once.
pub const BURST: usize = 800;
/// How often the churn walks every way in which a connection ends.
pub const CHURN_ROUNDS: usize = 6;
/// How many connections churn at a time.
pub const CHURNING: usize = 6;

/// One of those compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Threads connect to one live address, close, and connect again.
    Flood,
    /// Many connect to it at the same instant, and close.
    Burst,
    /// Connections end in all ways; then as many are opened as may be.
    Churn,
}

impl Workload {
    /// All of them, in the order in which results are shown.
    pub const ALL: [Self; 3] = [Self::Flood, Self::Burst, Self::Churn];

    /// What to ask for it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Burst => "burst",
            Self::Churn => "churn",
        }
    }

    /// How long it is watched, what is done after the churn included.
    pub fn run_for(self) -> Duration {
        Duration::from_secs(match self {
            Self::Flood => 10,
            Self::Burst => 58,
            Self::Churn => 4,
        })
    }
}
