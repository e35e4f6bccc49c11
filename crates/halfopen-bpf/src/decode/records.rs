//! What the kernel part reports of single attempts.

use halfopen_policy::{Contact, Party};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The program that began an attempt, as it was at that time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Process id (thread group), as the initial PID namespace sees it.
    pub pid: u32,
    /// User id, as the initial user namespace sees it.
    pub uid: u32,
    /// The thread's name, [escaped](crate::sys::text::escaped). A program chooses it: never trust it.
    pub comm: String,
    /// The id of its cgroup in the version 2 hierarchy; see [`crate::path_of_id`].
    pub cgroup_id: u64,
}

/// An account: of a rule's scope, or of `exec`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId {
    /// The rule's scope.
    pub scope: crate::ScopeId,
    /// The id of the cgroup, user or process that it is for; 0 = the rule has one account for all.
    pub id: u64,
}

impl AccountId {
    /// The account that stands for a scope itself, also for the host's.
    #[must_use]
    pub fn of_scope(scope: crate::ScopeId) -> Self {
        Self { scope, id: 0 }
    }
}

/// Where an attempt's socket is, as needed to wake it ([`crate::WakeupSender`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The socket's cookie, unique for as long as the kernel runs.
    pub cookie: u64,
    /// Its network namespace, by inode number.
    pub netns: u32,
    /// The interface that it is bound to; 0 = none.
    pub device: u32,
    /// Its local address. IPv4 addresses of IPv6 sockets are shown as IPv4.
    pub local: SocketAddr,
}

/// An event of the kernel part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingEvent {
    /// An attempt began to wait, or would have in audit mode.
    Held(HeldAttempt),
    /// The silence of this attempt made one of its accounts a suspect.
    Suspect(HeldAttempt),
    /// In audit mode, an attempt began that would not have had to wait, soon after one that would have. `audited`: the
    /// limit applies to it.
    Began(HeldAttempt),
    /// What became of an attempt. Sent only while [`crate::Limiter::waiters_are_woken`] is in force and an
    /// attempt waits, or in audit mode would have had to.
    Turn(Turn),
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When, on the kernel's monotonic clock.
    pub at: Duration,
    /// Its socket's cookie.
    pub cookie: u64,
    /// The address that it connects to.
    pub peer: IpAddr,
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// What became of it.
    pub became: Became,
}

/// See [`Turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Its first timer ran, in vain: it asks by itself from now on and cannot be woken any more.
    Asked,
    /// It ended while it waited.
    Left,
    /// Its first SYN leaves.
    Out {
        /// Whether it had waited.
        released: bool,
    },
    /// It ended after its SYN had left.
    Ended {
        /// When its first SYN left.
        out_at: Duration,
        /// Whether the peer accepted.
        established: bool,
        /// Whether it held the host's slot until it ended.
        host_slot: bool,
        /// Whether it held a slot of its own scope until it ended.
        own_slot: bool,
    },
    /// The connection that it had become, which a limit counts, has ended.
    Closed,
}

/// The limit that an attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum WaitsFor {
    /// That on half-open attempts, or on first contacts.
    #[default]
    Slot,
    /// That on connections of the scope: their rate or their number.
    Connection,
    /// That on connections of the account to its destination.
    Destination,
}

/// An attempt that began to wait, or would have in audit mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAttempt {
    /// When, on the kernel's monotonic clock.
    pub at: Duration,
    /// The scope that held it back.
    pub scope: crate::ScopeId,
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// The scope of its interface.
    pub interface: Option<crate::ScopeId>,
    /// Its party in the round of the host's turns.
    pub party: Party,
    /// The kind of its address.
    pub contact: Contact,
    /// Where its socket is.
    pub place: Place,
    /// The program that made it.
    pub program: Program,
    /// The destination. IPv4 destinations of IPv6 sockets are shown as IPv4.
    pub destination: SocketAddr,
    /// Whether it was only counted (audit mode).
    pub audited: bool,
    /// The limit that it waits for.
    pub waits_for: WaitsFor,
}

/// What an attempt is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Waits for its first SYN to leave.
    Queued,
    /// Holds a slot.
    HalfOpen,
    /// Its SYN has been out for longer than `slot_life`; its slot is free again.
    Aged,
}

/// A live attempt, read from the kernel part's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it is doing.
    pub state: AttemptState,
    /// The account of a rule or of `exec` that it is charged to.
    pub own: Option<AccountId>,
    /// The scope of its interface.
    pub interface: Option<crate::ScopeId>,
    /// Its party in the round of the host's turns.
    pub party: Party,
    /// The scope that holds it back, while queued.
    pub held_back_by: crate::ScopeId,
    /// The limit that it waits for, while queued.
    pub waits_for: WaitsFor,
    /// The kind of its address.
    pub contact: Contact,
    /// Whether a DNS answer had named its address when it began, whatever the kind of its address.
    pub named: bool,
    /// The program that made it.
    pub program: Program,
    /// The destination.
    pub destination: SocketAddr,
    /// How long ago `connect()` was called.
    pub age: Duration,
    /// How long ago its first SYN left; `None` while queued.
    pub out_for: Option<Duration>,
    /// How often its timer has run.
    pub rechecks: u32,
    /// Where its socket is.
    pub place: Place,
}

/// What became of a program's attempts that had to wait, or would have had to in audit mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramCount {
    /// The program; its pid is the last one seen.
    pub program: Program,
    /// Attempts that began to wait.
    pub held: u64,
    /// In audit mode: attempts that enforcing would have held.
    pub would_have_waited: u64,
    /// Let out after a wait.
    pub released: u64,
    /// Timed out while they waited: the damage that the limit did.
    pub gave_up_while_queued: u64,
    /// Ended by the program while they waited.
    pub cancelled: u64,
    /// Refused in `connect()`: the queue was full, the account blocked, too many attempts were cancelled, or
    /// there was no room for a record.
    pub refused_overflow: u64,
    /// The sum of all waits that have ended.
    pub waited: Duration,
    /// The longest of them.
    pub longest_wait: Duration,
    /// When it was last counted, on the kernel's monotonic clock.
    pub last: Duration,
}

/// Something that this kernel lacks: the limit holds without it, but less well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shortcoming {
    /// `TCP_RTO_MAX_MS` cannot be set (Linux 6.15).
    RtoMaxNotSettable,
}

impl Shortcoming {
    /// What is lost, for `status` and `doctor`.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::RtoMaxNotSettable => {
                "TCP_RTO_MAX_MS cannot be set (it needs Linux 6.15 or newer): an attempt held for more than 30 s \
                 re-checks at intervals that double, and repeats its SYN late after its release"
            }
        }
    }
}
