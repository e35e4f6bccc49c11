//! The accounts and parties that an attempt is charged to, for one question.

use super::calls::{self, native_accounting};
use super::{Attempt, Connection, Destination, Limits, Party, Scope};
use crate::abi;
use crate::attempt::{Ending, Origin, Refusal, Standing, Verdict};
use crate::kernel_form;
use crate::limits::Mode;
use std::ptr;

/// The host's scope, the attempt's own, its interface's, and its parties. Each is borrowed mutably, so no two
/// are the same.
pub(crate) struct Charged<'a> {
    pub host: (&'a mut Scope, &'a Limits),
    pub own: Option<(&'a mut Scope, &'a Limits)>,
    pub interface: Option<(&'a mut Scope, &'a Limits)>,
    pub top: &'a mut Party,
    pub part: &'a mut Party,
    /// The entry of its destination, if its own account limits destinations.
    pub destination: Option<&'a mut Destination>,
}

/// One of the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Host,
    Own,
    Interface,
}

/// `enum ending`.
pub(super) fn ending_number(ending: Ending) -> u32 {
    match ending {
        Ending::Established => abi::ENDING_ESTABLISHED,
        Ending::TimedOut => abi::ENDING_TIMED_OUT,
        Ending::Other => abi::ENDING_OTHER,
        Ending::Cancelled => abi::ENDING_CANCELLED,
        Ending::Neutral => abi::ENDING_NEUTRAL,
    }
}

/// `enum verdict`.
pub(super) fn verdict(number: u32) -> Verdict {
    match number {
        abi::VERDICT_GO => Verdict::Go,
        abi::VERDICT_GO_AUDITED => Verdict::GoAudited,
        abi::VERDICT_TOO_EARLY => Verdict::TooEarly,
        _ => Verdict::Hold,
    }
}

impl Attempt {
    pub fn new(origin: &Origin) -> Self {
        let mut attempt = Self::default();
        // SAFETY: the structure is borrowed for the call.
        unsafe {
            calls::native_describe(
                attempt.at_mut(),
                (origin.standing == Standing::NeverHold).into(),
                origin.first.into(),
                origin.tried.into(),
                origin.named.into(),
                origin.foreign.into(),
                origin.address,
                origin.port,
            );
        }
        attempt
    }

    pub fn is_queued(&self) -> bool {
        self.state == abi::ATTEMPT_QUEUED
    }

    /// The scope that last held the attempt back.
    pub fn blocked_on(&self) -> Said {
        match u32::from(self.blocked_on) {
            abi::CHARGED_OWN => Said::Own,
            abi::CHARGED_INTERFACE => Said::Interface,
            _ => Said::Host,
        }
    }
}

impl Charged<'_> {
    /// The pointers are valid while `self` is borrowed.
    fn pointers(&mut self) -> native_accounting {
        fn pair(of: &mut (&mut Scope, &Limits)) -> (*mut abi::scope, *const abi::limits) {
            (of.0.at_mut(), of.1.at())
        }
        let none = (ptr::null_mut(), ptr::null());
        let host = pair(&mut self.host);
        let own = self.own.as_mut().map_or(none, pair);
        let interface = self.interface.as_mut().map_or(none, pair);
        native_accounting {
            scope: [host.0, own.0, interface.0],
            limits: [host.1, own.1, interface.1],
            top: self.top.at_mut(),
            part: self.part.at_mut(),
            destination: self.destination.as_mut().map_or(ptr::null_mut(), |of| of.at_mut()),
        }
    }

    /// Whether `connect()` fails at once; counts the refusal.
    pub fn refuse(&mut self, met: bool, now: u64) -> Option<Refusal> {
        let accounting = self.pointers();
        // SAFETY: all that is pointed to is borrowed by `self` for the call, each once.
        match unsafe { calls::native_refuse(&raw const accounting, met.into(), now) } {
            abi::REFUSAL_NONE => None,
            abi::REFUSAL_QUEUE_FULL => Some(Refusal::QueueFull),
            abi::REFUSAL_CHURN => Some(Refusal::Churn),
            _ => Some(Refusal::Blocked),
        }
    }

    pub fn begin(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let accounting = self.pointers();
        // SAFETY: as in refuse(); the attempt is borrowed for the call too.
        verdict(unsafe {
            calls::native_begin(&raw const accounting, attempt.at_mut(), kernel_form::mode(mode), now)
        })
    }

    /// A waiter's address has become known.
    pub fn knows(&mut self, attempt: &mut Attempt, now: u64) {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_known(&raw const accounting, attempt.at_mut(), now) }
    }

    pub fn recheck(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        verdict(unsafe {
            calls::native_recheck(&raw const accounting, attempt.at_mut(), kernel_form::mode(mode), now)
        })
    }

    pub fn resend(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        verdict(unsafe {
            calls::native_resend(&raw const accounting, attempt.at_mut(), kernel_form::mode(mode), now)
        })
    }

    /// Returns the record of its connection, if a limit counts that and it goes on.
    pub fn end(
        &mut self,
        attempt: &mut Attempt,
        ending: Ending,
        neighbours: u32,
        now: u64,
    ) -> Option<Connection> {
        let accounting = self.pointers();
        let mut connection = Connection::default();
        // SAFETY: as in begin(); the connection is borrowed for the call too.
        let goes_on = unsafe {
            calls::native_end(
                &raw const accounting,
                attempt.at_mut(),
                connection.at_mut(),
                ending_number(ending),
                neighbours,
                now,
            )
        };
        (goes_on != 0).then_some(connection)
    }

    /// An open connection ends.
    pub fn close(&mut self, connection: &mut Connection, now: u64) {
        let accounting = self.pointers();
        // SAFETY: as in end().
        unsafe { calls::native_close(&raw const accounting, connection.at_mut(), now) }
    }

    /// The reconcile walk meets this open connection.
    pub fn connection_seen(&mut self, connection: &mut Connection) {
        let accounting = self.pointers();
        // SAFETY: as in end().
        unsafe { calls::native_connection_seen(&raw const accounting, connection.at_mut()) }
    }

    /// The reconcile walk meets this attempt.
    pub fn seen(&mut self, attempt: &mut Attempt) {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_seen(&raw const accounting, attempt.at_mut()) }
    }

    /// The attempt's packets go to another address.
    pub fn withdraw(&mut self, attempt: &mut Attempt, decided: bool, now: u64) {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_withdraw(&raw const accounting, attempt.at_mut(), decided.into(), now) }
    }

    /// The attempt's SYN leaves. Returns whether it is so late that its slots are dated anew.
    pub fn leaves_late(&mut self, attempt: &mut Attempt, now: u64) -> bool {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_leaves_late(&raw const accounting, attempt.at_mut(), now) != 0 }
    }

    /// Whether `connect()` has to look at parties.
    pub fn asks_for_part(&mut self) -> bool {
        let accounting = self.pointers();
        // SAFETY: as in refuse().
        unsafe { calls::native_asks_for_part(&raw const accounting) != 0 }
    }

    /// Whether an attempt that begins has to look at parties.
    pub fn may_have_to_wait(&mut self, attempt: &mut Attempt, now: u64) -> bool {
        let accounting = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_may_have_to_wait(&raw const accounting, attempt.at_mut(), now) != 0 }
    }

    /// The turns until the top-level cgroup has its own, and those of that cgroup until the part has its own.
    pub fn turns_until(&mut self) -> [u32; 2] {
        let (accounting, mut turns) = (self.pointers(), [0; 2]);
        // SAFETY: as in refuse(); the numbers are borrowed for the call too.
        unsafe { calls::native_turns_until(&raw const accounting, turns.as_mut_ptr()) };
        turns
    }
}

/// Makes a reconcile walk begin in the middle of this thread's next question, and meet the attempt that is asked about.
pub(crate) fn walk_will_come(moment: u32) {
    // SAFETY: sets a number of the thread's own.
    unsafe { calls::native_walk_will_come(moment) }
}
