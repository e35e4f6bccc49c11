//! What can be wrong with a file of the registry editor.

/// The first mistake of a file, and its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {unexpected}")]
pub struct RegistryError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub unexpected: Unexpected,
}

/// What is wrong in a line, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// The bytes are no text.
    #[error("expected UTF-8, or UTF-16LE with a byte order mark")]
    Encoding,
    /// Not the first line of such a file.
    #[error("expected \"Windows Registry Editor Version 5.00\" or \"REGEDIT4\"")]
    Header,
    /// Neither a key nor a value.
    #[error("expected [KEY], [-KEY], \"NAME\"=VALUE, @=VALUE or a comment that begins with \";\"")]
    Line,
    /// A value above the first key.
    #[error("expected [KEY] before the first value")]
    NoKey,
    /// A text without its end.
    #[error("expected a closing quotation mark")]
    OpenText,
    /// A continued line at the end of the file.
    #[error("expected another line after \"\\\"")]
    OpenLine,
    /// The data of a value of a name that halfopen knows.
    #[error("{0}: expected dword:00000032, four bytes such as hex(4):32,00,00,00, or - to delete it")]
    Data(&'static str),
    /// A limit out of range.
    #[error(
        "TcpNumConnections = {0}: expected 1 to 16777213 (dword:00fffffd), or dword:00fffffe for unlimited"
    )]
    Limit(u32),
    /// Neither on nor off.
    #[error("EnableConnectionRateLimiting = {0}: expected dword:00000000 or dword:00000001")]
    RateLimiting(u32),
    /// An interface that is not of this host.
    #[error("expected the name of an interface of Linux, not {0}: say which it is by --interface '{0}=eth0'")]
    Interface(String),
    /// No limit, without consent.
    #[error("this means no limit at all: expected --yes-unlimited on the command line if that is wanted")]
    Unlimited,
}
