//! What a log says of a connection.

use super::order::Recorded;

/// A log does not say when an answer came. This is a long way on the Internet.
pub(super) const ANSWER_AFTER: u64 = 50_000_000;

/// What a record is.
pub(super) enum Record {
    Attempt(Recorded),
    /// Another protocol, or a connection whose beginning was not seen.
    Other,
    /// A line that describes the log.
    Header,
    Damaged(&'static str),
}
