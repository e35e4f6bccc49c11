//! What the process that sends events tells the daemon, in JSON. The daemon tells it events and nothing else.

use serde::{Deserialize, Serialize};

/// The longest message, in bytes. The kernel's usual buffer takes it.
pub const LONGEST: usize = 128 * 1024;

/// How it fares. It says so whenever that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// What became of events.
    pub counts: Counts,
    /// Why the last try failed; `None` = it did not.
    pub trouble: Option<Trouble>,
}

/// What became of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The collector has them.
    pub sent: u64,
    /// They wait.
    pub waiting: u64,
    /// Lost: the collector took a request, but not these records of it (`partial_success`).
    pub rejected: u64,
    /// Lost: the collector refused the request for good.
    pub refused: u64,
    /// Lost: more waited than may.
    pub queue_full: u64,
    /// Lost: the process that sends has ended, or did not take them.
    pub not_taken: u64,
}

impl Counts {
    /// How many are lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.rejected + self.refused + self.queue_full + self.not_taken
    }
}

/// Why events do not reach the collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// A file that it needs cannot be used. It has ended.
    #[error("{0}; then restart the daemon")]
    Setup(String),
    /// The process has ended.
    #[error("its process has ended or could not be started: restart the daemon")]
    Ended,
    /// The collector's name has no address.
    #[error("no name server knows an address for the collector: {0}")]
    NoAddress(String),
    /// Nobody takes the connection.
    #[error("cannot connect to the collector: {0}")]
    NoConnection(String),
    /// TLS fails.
    #[error(
        "the collector does not prove who it is: {0}; `otlp.ca` names the certificates that vouch for it"
    )]
    Tls(String),
    /// No answer in time.
    #[error("the collector takes more than {0} s to answer")]
    Silent(u64),
    /// The answer is none of HTTP.
    #[error(
        "the collector does not answer as HTTP does: {0}; is `otlp.endpoint` its OTLP/HTTP port (usually 4318)?"
    )]
    NoHttp(String),
    /// The collector asks to be asked later.
    #[error("the collector is overloaded or out of order (HTTP status {0}); it is asked again later")]
    Busy(u16),
    /// The collector refuses.
    #[error(
        "the collector refuses events (HTTP status {0}), and these are lost: 401 or 403 ask for a token in `otlp.headers`, \
         404 for another `otlp.endpoint`"
    )]
    Refused(u16),
    /// The collector takes some events only.
    #[error("the collector rejects some events, and these are lost: {0:?}")]
    Rejected(String),
}
