//! Faults: events in which the kernel part could not act as intended.

use crate::abi::plain;
use crate::error::{KernelError, bpf};
use libbpf_rs::MapCore;

/// Makes the enum, the list of its members and what is told about each from one table.
macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident, $name:literal, $explain:literal, $advice:literal;)*) => {
        /// An event in which the kernel part could not act as intended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// All faults, in the order of `enum fault` of bpf/abi.h.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// Its name in JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// What happened, and what it means for the limit: a phrase for `status` and the log.
            #[must_use]
            pub fn explain(self) -> &'static str {
                match self { $(Self::$fault => $explain,)* }
            }

            /// What to do about it: a phrase.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$fault => $advice,)* }
            }
        }
    };
}

faults! {
    /// No memory to note the account of a socket: its UDP was refused, or its TCP charged by the first rule.
    NoStorage, "no_storage",
    "no memory was left to store the owner of a socket: its UDP was refused, or its TCP charged by the first rule",
    "find what fills the memory of the program's sockets (SO_ATTACH_FILTER, net.core.optmem_max) or of the host";
    /// The callbacks could not be switched on for a socket.
    CallbackFlags, "callback_flags",
    "callbacks could not be enabled for a socket: egress alone holds it",
    "look with `halfopen doctor` for other sock_ops programs; the limit holds";
    /// Another program had switched the limiter's callbacks off; they were switched on again.
    CallbacksCleared, "callbacks_cleared",
    "another sock_ops program had disabled our callbacks: they were enabled again",
    "find the program with `halfopen doctor`, and make it keep the flags that it did not set itself";
    /// A timer ran without its callback: egress decided instead.
    DecidedAtEgress, "decided_at_egress",
    "a re-check ran without its callback: egress decided",
    "nothing, if rare; if it goes on, find the other sock_ops program with `halfopen doctor`";
    /// A socket option could not be set for a held attempt.
    HoldOptions, "hold_options",
    "the options of a held socket could not be set: it may give up early",
    "look for programs at the setsockopt hooks (`halfopen doctor`); the attempt is held all the same";
    /// A socket option could not be restored.
    RestoreOptions, "restore_options",
    "the original options of a socket could not be restored after a wait",
    "look for programs at the setsockopt hooks (`halfopen doctor`); restart a program whose connections \
     time out late";
    /// The congestion window could not be restored.
    InitialWindow, "initial_window",
    "the initial window of a socket could not be restored after a wait",
    "nothing: that connection starts slowly, and no other one is affected";
    /// An event found the ring buffer full.
    EventLost, "event_lost",
    "the ring buffer was full: the events lack an attempt",
    "nothing, if rare: the counts are right; if it goes on, the daemon gets too little CPU time";
    /// A policy or scope entry was not found.
    NoPolicy, "no_policy",
    "a policy entry was missing: the attempt went out uncounted",
    "restart the daemon; if it happens again, run `halfopen off`, start the daemon, and report it as a bug";
    /// TCP sent through a raw socket was refused.
    RawTcpRefused, "raw_tcp_refused",
    "a program tried to send TCP over a raw socket: it was refused",
    "find the program (it has CAP_NET_RAW); if it may send so, set raw_tcp = \"count\" or \"allow\"";
    /// TCP sent through a raw socket was counted.
    RawTcpCounted, "raw_tcp_counted",
    "a program sent TCP over a raw socket: it was let out",
    "find the program (it has CAP_NET_RAW); if it must not send so, set raw_tcp = \"refuse\"";
    /// The reconcile walk corrected the ledger.
    Reconciled, "reconciled",
    "the reconcile walk corrected the ledger",
    "nothing, if rare; if it goes on, find the other sock_ops program with `halfopen doctor`";
    /// A program's wait could not be counted for it.
    ProgramUncounted, "program_uncounted",
    "a wait is missing from the counts of its program: those of the scope have it",
    "nothing: only the table of programs in `halfopen status` and `halfopen report` lacks it";
    /// A contact with an address could not be noted.
    ContactUnknown, "contact_unknown",
    "a contact could not be recorded: its address stays unknown",
    "nothing, if rare: the next attempt to the address counts as a first contact; if it goes on, the host \
     lacks memory";
    /// A user, account or cgroup with a waiter could not be noted.
    PartyUnknown, "party_unknown",
    "the user or account of a waiter could not be recorded: it has one share together with others of its cgroup",
    "nothing, if rare; if it goes on, more users and accounts wait at once than there is room for: \
     `halfopen report` names them";
    /// There was no room or memory for another account of a rule: the attempt was charged to the account that they
    /// share.
    AccountsFull, "accounts_full",
    "there was no room for one more account of a rule: its attempts share the account of the rule itself",
    "choose a coarser `per` for the rule that has so many, or end what makes so many cgroups, users or processes";
    /// A datagram or its sender could not be noted.
    DatagramUnknown, "datagram_unknown",
    "a UDP packet could not be recorded: its address stays unknown, or the program that a limit stopped",
    "nothing, if rare: the next packet to the address counts as a first contact; if it goes on, the host \
     lacks memory";
    /// There was no room for the record of another attempt: its `connect()` failed.
    NoRecord, "no_record",
    "there was no room for the record of one more attempt: connect() failed with ENOBUFS (raise `records`)",
    "raise `records`, or find with `halfopen report` who has so many attempts at once";
    /// A SYN of an attempt without a record was withheld.
    SynWithoutRecord, "syn_without_record",
    "a SYN of an attempt without a record was withheld",
    "nothing, if rare: TCP repeats the SYN; if it goes on, raise `records`";
    /// An attempt addressed to an exempt destination went elsewhere: it was counted there.
    ExemptElsewhere, "exempt_elsewhere",
    "a packet addressed to an exempt destination went elsewhere (DNAT): it was counted where it went",
    "nothing, if the rule of DNAT is meant; to exempt what is behind it, name that address in `exempt`";
    /// `connect()` was refused because the user or account cancels the attempts that it begins.
    ChurnRefused, "churn_refused",
    "connect() failed with ENOBUFS: its user or account cancels all of its queued attempts",
    "find with `halfopen report` whose attempts are cancelled: a scan, or a program whose own timeout is \
     shorter than the wait";
    /// A SYN that no socket of its container has sent was stopped at the container's gate.
    ForwardedStopped, "forwarded_stopped",
    "a container sent SYNs past its sockets (packet socket, copied or forwarded packets): those over the credit of \
     its gate were dropped",
    "`halfopen status` shows by which gate: find the container; if it may send so, set forwarded_tcp = \"count\"";
    /// Such a SYN was counted.
    ForwardedCounted, "forwarded_counted",
    "a container sent SYNs past its sockets (packet socket, copied or forwarded packets), over the credit of its \
     gate: they were let out",
    "`halfopen status` shows by which gate: find the container; if it must not send so, set forwarded_tcp = \"limit\"";
    /// There was no room to count another connection: its attempt waits until there is.
    NoConnection, "no_connection",
    "there was no room to count one more connection: its attempt waits until another one ends",
    "find with `halfopen report` who has so many connections; if they are meant, limit `connect_rate` there in place \
     of `established`";
    /// There was no room for another destination of an account: it shares the counts of others.
    DestinationShared, "destination_shared",
    "there was no room for one more destination of an account: the limits of `per_destination` count it together with \
     others",
    "nothing, if rare; if it goes on, an account has connections to more destinations than there is room for: raise its \
     limits in `per_destination`, or use `established`";
}

const _: () = assert!(Fault::ALL.len() == crate::abi::FAULTS as usize, "the table and `enum fault` differ");

/// How often a [`Fault`] has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultCount {
    /// The fault.
    pub fault: Fault,
    /// How often it has happened since the accounting began.
    pub count: u64,
}

/// The faults that have happened.
pub(crate) fn read(faults: &impl MapCore) -> Result<Vec<FaultCount>, KernelError> {
    let mut counts = Vec::new();
    for (number, &fault) in Fault::ALL.iter().enumerate() {
        let count = plain::sum_of_cpus(faults, number as u32);
        let count = count.map_err(|error| bpf("reading the fault counters", error))?;
        if count > 0 {
            counts.push(FaultCount { fault, count });
        }
    }
    Ok(counts)
}
