//! What clients ask the daemon and what it answers, over HTTP on the control socket: [`routes`] says under which paths.

pub mod account;
mod as_text;
pub mod client;
pub mod connections_status;
pub mod degradation;
pub mod deny_status;
pub mod earlier;
pub mod inspection;
pub mod learned;
pub mod mode;
pub mod names;
pub mod openapi;
pub mod programs;
pub mod routes;
pub mod scope_status;
pub mod server_sent;
pub mod status;
mod subject;
pub mod trial;
mod udp_status;
pub mod unwatched;

pub use account::{AccountName, Whose};
pub use client::{Client, ClientError};
pub use connections_status::ConnectionsStatus;
pub use degradation::Degradation;
pub use deny_status::{DeniedStatus, DenyStatus};
pub use earlier::EarlierCounts;
pub use inspection::{
    AccountInspection, Inspection, ParentStatus, PortInspection, ProcessStatus, ProgramInspection,
    RuleInspection,
};
pub use learned::LearnedWaits;
pub use mode::ModeStatus;
pub use names::{NamedStatus, NamesStatus, Trusted};
pub use programs::{Harm, ProgramStatus};
pub use scope_status::{ScopeKind, ScopeStatus, TrustStatus};
pub use status::{
    AttemptPhase, AttemptStatus, BlockedStatus, DegradedStatus, FaultStatus, GateStatus, Status, Why,
};
pub use subject::{Inspected, NoSubject, Subject};
pub use trial::{TrialOrder, TrialStatus};
pub use udp_status::{StoppedStatus, UdpStatus};
pub use unwatched::{SilentDaemon, UnwatchedStatus};

use crate::config::Resolved;
use crate::events::Event;
use crate::history::History;
use crate::tuning::{LimitTried, Tuning};
use crate::utc_time::UtcTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A request to the daemon. [`routes::ROUTES`] has the method and path of each; its fields are the parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// All numbers, as `halfopen status` shows them.
    Status,
    /// The host, the scopes of `exec`, of rules and of interfaces, without the accounts of rules.
    Scopes,
    /// The accounts of rules, by page.
    Accounts {
        /// Only those of this scope.
        scope: Option<String>,
        /// Only the one of this name.
        name: Option<AccountName>,
        /// Only suspects.
        #[serde(default)]
        suspects: bool,
        /// How many a page has at most: 100 if nothing is said, and never more than 1000.
        limit: Option<u32>,
        /// Where the page begins: `next` of the page before.
        cursor: Option<String>,
    },
    /// The attempts that wait now, those first that have waited longest.
    Attempts {
        /// How many are listed at most: 100 if nothing is said, and never more than 1000.
        limit: Option<u32>,
    },
    /// The latest events. With `Accept: text/event-stream`, also those to come, as server-sent events.
    Events {
        /// Leaves out events before this time.
        since: Option<UtcTime>,
        /// Whether to continue with new events.
        #[serde(default)]
        #[schemars(skip)]
        follow: bool,
    },
    /// All values that a file, a preset, the command line or a client gives.
    Settings,
    /// The value of a setting.
    Get {
        /// The name, as `halfopen get` takes it.
        name: String,
    },
    /// Changes a setting at once, until the files are read again.
    Set {
        /// The name, as `halfopen set` takes it.
        name: String,
        /// The value, as `halfopen set` takes it.
        value: String,
        /// Whether the client is about to save the value in the local file: the daemon may not write files. A setting that
        /// takes effect later is refused otherwise.
        #[serde(default)]
        save: bool,
        /// Whether only to say what would change, and what a `half_open` would have done in the last hour.
        #[serde(default)]
        dry_run: bool,
    },
    /// The file for saved values.
    LocalFile,
    /// Says that the client has saved the value in force in the local file, so that reading the files again keeps it.
    Saved {
        /// The name, as `halfopen set` takes it.
        name: String,
    },
    /// Makes a scope for the client's process. The answer is a stream of server-sent events, the first of which names the
    /// scope. The scope ends with the connection.
    Exec {
        /// The scope's `half_open`, unless it is the host's.
        half_open: Option<String>,
        /// The scope's `drain`, unless it is the host's.
        drain: Option<String>,
    },
    /// Ends a scope of `exec`.
    EndExec {
        /// Its name.
        name: String,
    },
    /// Begins, confirms or cancels a trial of mode `enforce`.
    Enforce(TrialOrder),
    /// Clears suspects and ends blocks by hand.
    Release {
        /// A scope or an account; null = all suspects.
        account: Option<AccountName>,
    },
    /// What the attempts of a program or to a destination are doing.
    Why {
        /// Whose attempts.
        subject: Subject,
    },
    /// What is known of an account, or of those behind a process or an address.
    Inspect {
        /// Whom.
        subject: Inspected,
    },
    /// Refuses all connects of an account for a time.
    Block {
        /// The account.
        account: AccountName,
        /// For how many milliseconds from now, at most a day.
        for_ms: u64,
    },
    /// What each minute was like, from the history.
    History {
        /// From when on: a day ago if nothing is said.
        since: Option<UtcTime>,
        /// Only the scope or account of this name.
        account: Option<String>,
        /// How many rows of minutes at most, the latest ones: 10,000 if nothing is said, and never more.
        limit: Option<u32>,
    },
    /// What other limits would have done, from the history.
    Tuning {
        /// The scope: the host if nothing is said.
        scope: Option<String>,
        /// From when on: a week ago if nothing is said.
        since: Option<UtcTime>,
        /// Also tries this limit.
        half_open: Option<u32>,
    },
    /// Makes a one-time address that opens the dashboard.
    Dashboard,
    /// Lets every held attempt go and ends the daemon after this answer.
    Off,
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingShown {
    /// Its name, as `halfopen get` takes it. `match` and `per` of a rule have no such name.
    pub name: String,
    /// Its value, as `halfopen get` prints it.
    pub value: String,
    /// What gives it: a file with line and column, `preset` or `--set`.
    pub origin: String,
}

impl SettingShown {
    /// All values that are given.
    #[must_use]
    pub fn all(resolved: &Resolved) -> Vec<Self> {
        resolved.all_said().map(|(name, value, origin)| Self { name, value, origin }).collect()
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All numbers.
    Status(Box<Status>),
    /// Scopes.
    Scopes {
        /// The host first.
        scopes: Vec<ScopeStatus>,
    },
    /// Accounts.
    Accounts {
        /// Those of this page.
        accounts: Vec<ScopeStatus>,
        /// Where the next page begins, as `cursor`; null = this is the last one.
        next: Option<String>,
    },
    /// Attempts that wait now.
    Attempts {
        /// How many wait.
        in_all: u64,
        /// Those that have waited longest.
        attempts: Vec<AttemptStatus>,
    },
    /// The events in memory.
    Events {
        /// How many events of earlier daemons could not be kept.
        not_kept: u64,
        /// The events, the oldest first.
        events: Vec<Event>,
    },
    /// One event.
    Event(Box<Event>),
    /// The client read too slowly: this number of events was left out.
    Missed(u64),
    /// This number of events of earlier daemons could not be kept.
    NotKept(u64),
    /// Values in force.
    Settings {
        /// By name.
        settings: Vec<SettingShown>,
    },
    /// A value.
    Value {
        /// As the command line takes it.
        value: String,
    },
    /// A value was set, or would be.
    Changed {
        /// The key.
        name: String,
        /// The old value.
        was: String,
        /// The new value.
        now: String,
        /// For a dry run of a `half_open`: what it would have done in the last hour; null if that is not known.
        #[serde(default)]
        would_have: Option<LimitTried>,
    },
    /// The file for saved values, one of those that the daemon reads.
    LocalFile {
        /// Its path.
        path: PathBuf,
    },
    /// The daemon has looked for the value in the files.
    Saved {
        /// What else the user should know.
        note: Option<String>,
    },
    /// Enforcing is on trial, or no longer.
    Trial {
        /// The mode in force.
        mode: ModeStatus,
        /// null = the mode stays.
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
    /// Minutes of the history.
    History(Box<History>),
    /// What other limits would have done.
    Tuning(Box<Tuning>),
    /// A way in to the dashboard.
    Dashboard {
        /// An address that logs a browser in, once.
        address: String,
        /// For how many seconds.
        good_for_s: u64,
    },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request failed.
    Failed,
    /// The request is wrong.
    WrongUse,
    /// Privilege or a kernel feature is missing.
    Cannot,
}
