//! The protocol between the program and its daemon: one request per connection as a line of JSON, and a line of JSON
//! for each answer.

pub mod account;
pub mod client;
pub mod degradation;
pub mod deny_status;
pub mod earlier;
pub mod inspection;
pub mod mode;
pub mod names;
pub mod programs;
pub mod scope_status;
pub mod status;
pub mod trial;
pub mod udp_status;
pub mod unwatched;

pub use account::{AccountName, Whose};
pub use client::{Client, ClientError};
pub use degradation::Degradation;
pub use deny_status::{DeniedStatus, DenyStatus};
pub use earlier::EarlierCounts;
pub use inspection::{
    AccountInspection, Inspection, ParentStatus, PortInspection, ProcessStatus, ProgramInspection,
    RuleInspection,
};
pub use mode::ModeStatus;
pub use names::{NamedStatus, NamesStatus, Trusted};
pub use programs::{Harm, ProgramStatus};
pub use scope_status::{ScopeKind, ScopeStatus, TrustStatus};
pub use status::{
    AttemptPhase, AttemptStatus, BlockedStatus, DegradedStatus, FaultStatus, GateStatus, Status, Why,
};
pub use trial::{TrialOrder, TrialStatus};
pub use udp_status::{StoppedStatus, UdpStatus};
pub use unwatched::{SilentDaemon, UnwatchedStatus};

use crate::events::Event;
use crate::utc_time::UtcTime;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The longest accepted request, in bytes.
pub const LONGEST_REQUEST: u64 = 64 * 1024;

/// A request to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// [`Answer::Status`].
    Status,
    /// An [`Answer::Event`] for each event in memory, and with `follow` for those to come.
    Events {
        /// Leaves out events before this time.
        since: Option<UtcTime>,
        /// Whether to continue with new events.
        follow: bool,
    },
    /// [`Answer::Value`].
    Get {
        /// The name, as the user wrote it.
        name: String,
    },
    /// [`Answer::Changed`].
    Set {
        /// The name, as the user wrote it.
        name: String,
        /// The value, as the user wrote it.
        value: String,
        /// Whether the client is about to save the value in a file.
        save: bool,
    },
    /// [`Answer::LocalFile`].
    LocalFile,
    /// [`Answer::Saved`]: the client, which may write the files, has saved the value in force.
    Saved {
        /// The name, as the user wrote it.
        name: String,
    },
    /// [`Answer::Scope`] for the client's process, and [`Answer::ScopeEnded`] once the client has closed its half.
    Exec {
        /// The scope's `half_open`, unless it is the host's.
        half_open: Option<String>,
        /// The scope's `drain`, unless it is the host's.
        drain: Option<String>,
    },
    /// [`Answer::Trial`].
    Enforce(TrialOrder),
    /// [`Answer::Released`].
    Release {
        /// A scope, and one of its accounts by number or else all its suspects; `None` = all suspects.
        whom: Option<(String, Option<Whose>)>,
    },
    /// [`Answer::Why`].
    Why(Subject),
    /// [`Answer::Inspection`].
    Inspect(Inspected),
    /// [`Answer::Blocked`].
    Block {
        /// The account's scope, which is empty if any is meant.
        scope: String,
        /// Whose account it is; `None` for a rule that has one account for all, and for a scope of `exec`.
        whose: Option<Whose>,
        /// For how many milliseconds from now.
        for_ms: u64,
    },
    /// [`Answer::Ending`]; the daemon ends after this answer.
    Off,
}

/// Whose attempts are asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The attempts of a process.
    Pid(u32),
    /// The attempts to an address.
    Address(IpAddr),
    /// The attempts to an address and port.
    Destination(SocketAddr),
    /// The attempts of programs, of a cgroup, or of an account of this name, as `status` shows it.
    Name(String),
}

/// What `inspect` is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inspected {
    /// A scope or an account: its scope, which is empty if any is meant, and whose account it is.
    Account(String, Option<Whose>),
    /// A process, or those who dial an address.
    Attempts(Subject),
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All numbers.
    Status(Box<Status>),
    /// One event.
    Event(Box<Event>),
    /// The client read too slowly: this number of events was left out.
    Missed(u64),
    /// This number of events of earlier daemons could not be kept.
    NotKept(u64),
    /// A value, as the command line takes it.
    Value(String),
    /// A value was set.
    Changed {
        /// The key.
        name: String,
        /// The old value.
        was: String,
        /// The new value.
        now: String,
    },
    /// The file for saved values, one of those that the daemon reads.
    LocalFile(PathBuf),
    /// The daemon has looked for the value in the files.
    Saved {
        /// What else the user should know.
        note: Option<String>,
    },
    /// Enforcing is on trial, or no longer.
    Trial {
        /// The mode in force.
        mode: ModeStatus,
        /// `None` = the mode stays.
        trial: Option<TrialStatus>,
    },
    /// A scope was made.
    Scope {
        /// Its name.
        name: String,
        /// Its cgroup's directory.
        path: PathBuf,
    },
    /// The scope is gone.
    ScopeEnded,
    /// These accounts are no longer suspects.
    Released {
        /// Their names.
        accounts: Vec<String>,
        /// How many more there were.
        more: u64,
    },
    /// An account is blocked by hand.
    Blocked {
        /// Its name.
        account: String,
        /// Until when.
        until: UtcTime,
        /// Until when it was blocked by hand already.
        was: Option<UtcTime>,
    },
    /// Attempts and what they wait for.
    Why(Box<Why>),
    /// What is known of accounts.
    Inspection(Box<Inspection>),
    /// The daemon is about to end.
    Ending {
        /// Its process id.
        pid: u32,
    },
    /// The daemon refused, and nothing was done.
    Refused {
        /// The kind of reason.
        kind: RefusalKind,
        /// The reason.
        message: String,
    },
}

/// Why a request was refused; each is an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request failed.
    Failed,
    /// The request is wrong.
    WrongUse,
    /// Privilege or a kernel feature is missing.
    Cannot,
}

/// A message as a line of its own.
///
/// # Errors
/// None for the types of this module, although `serde_json` cannot know that.
pub fn to_line<T: Serialize>(message: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_as_they_were_sent() {
        let requests = [
            Request::Status,
            Request::Events { since: Some(UtcTime::EPOCH), follow: true },
            Request::Get { name: "host.half_open".into() },
            Request::Set { name: "exempt".into(), value: "10.0.0.0/8\n{\"off\"}".into(), save: true },
            Request::LocalFile,
            Request::Saved { name: "exempt".into() },
            Request::Exec { half_open: Some("unlimited".into()), drain: None },
            Request::Enforce(TrialOrder::Begin(600_000)),
            Request::Enforce(TrialOrder::Confirm),
            Request::Release { whom: None },
            Request::Release { whom: Some(("torrent".into(), Some(Whose::Process(7, "a".into())))) },
            Request::Why(Subject::Pid(7)),
            Request::Why(Subject::Destination("[2001:db8::1]:80".parse().unwrap())),
            Request::Why(Subject::Name("adaptive[/a]".into())),
            Request::Inspect(Inspected::Account(String::new(), Some(Whose::CgroupAt("/a".into())))),
            Request::Inspect(Inspected::Attempts(Subject::Pid(7))),
            Request::Block { scope: "a".into(), whose: Some(Whose::User(7)), for_ms: 1 },
            Request::Off,
        ];
        for request in requests {
            let line = to_line(&request).unwrap();
            assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            assert_eq!(serde_json::from_slice::<Request>(&line).unwrap(), request);
        }
    }

    #[test]
    fn a_request_with_more_in_it_is_refused() {
        for text in ["\"of\"", "{\"get\":{\"name\":\"mode\",\"and\":1}}", "{\"get\":{}}", "[]", ""] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }
}
