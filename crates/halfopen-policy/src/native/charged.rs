//! An attempt, and the accounts and parties that it is charged to, for one question.

use super::calls::{self, NativeCharge};
use super::{Attempt, Limits, Party, Scope};
use crate::attempt::{Ending, Origin, Refusal, Standing, Verdict};
use crate::limits::Mode;
use std::ptr;

/// The host's scope, an attempt's own, its interface's, and its parties. Each is borrowed, so no two are the same.
pub(crate) struct Charged<'a> {
    pub host: (&'a mut Scope, &'a Limits),
    pub own: Option<(&'a mut Scope, &'a Limits)>,
    pub interface: Option<(&'a mut Scope, &'a Limits)>,
    pub top: &'a mut Party,
    pub part: &'a mut Party,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Host,
    Own,
    Interface,
}

/// `enum mode` of bpf/abi.h.
pub(super) fn mode_number(mode: Mode) -> u32 {
    match mode {
        Mode::Enforce => 0,
        Mode::Audit => 1,
        Mode::Off => 2,
    }
}

/// `enum ending` of bpf/outcome.h.
pub(super) fn ending_number(ending: Ending) -> u32 {
    match ending {
        Ending::Established => 0,
        Ending::TimedOut => 1,
        Ending::Other => 2,
        Ending::Cancelled => 3,
        Ending::Neutral => 4,
    }
}

/// `enum verdict` of bpf/decide.h.
pub(super) fn verdict(number: u32) -> Verdict {
    match number {
        1 => Verdict::Go,
        2 => Verdict::GoAudited,
        3 => Verdict::TooEarly,
        _ => Verdict::Hold,
    }
}

impl Attempt {
    pub fn new(origin: &Origin) -> Self {
        let mut attempt = Self::zeroed();
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe {
            calls::native_describe(
                attempt.at_mut(),
                (origin.standing == Standing::Essential).into(),
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
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        unsafe { calls::native_state(self.at()) == 1 }
    }

    /// Who said no last, where somebody has.
    pub fn blocked_on(&self) -> Said {
        // SAFETY: the memory is of the structure's size, and borrowed for the call.
        match unsafe { calls::native_blocked_on(self.at()) } {
            1 => Said::Own,
            2 => Said::Interface,
            _ => Said::Host,
        }
    }
}

impl Charged<'_> {
    /// The pointers are good as long as `self` is borrowed.
    fn pointers(&mut self) -> NativeCharge {
        fn pair(of: &mut (&mut Scope, &Limits)) -> (*mut super::of::Scope, *const super::of::Limits) {
            (of.0.at_mut(), of.1.at())
        }
        let none = (ptr::null_mut(), ptr::null());
        let host = pair(&mut self.host);
        let own = self.own.as_mut().map_or(none, pair);
        let interface = self.interface.as_mut().map_or(none, pair);
        NativeCharge {
            scope: [host.0, own.0, interface.0],
            limits: [host.1, own.1, interface.1],
            top: self.top.at_mut(),
            part: self.part.at_mut(),
        }
    }

    /// Whether `connect()` fails at once; counted then.
    pub fn refuse(&mut self, met: bool, now: u64) -> Option<Refusal> {
        let charge = self.pointers();
        // SAFETY: all that is pointed to is of the structures' sizes and borrowed by `self` for the call, each once.
        match unsafe { calls::native_refuse(&raw const charge, met.into(), now) } {
            0 => None,
            1 => Some(Refusal::QueueFull),
            3 => Some(Refusal::Churn),
            _ => Some(Refusal::Blocked),
        }
    }

    pub fn begin(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let charge = self.pointers();
        // SAFETY: as in refuse(); the attempt is borrowed for the call too.
        verdict(unsafe { calls::native_begin(&raw const charge, attempt.at_mut(), mode_number(mode), now) })
    }

    /// A waiter's address has become known.
    pub fn knows(&mut self, attempt: &mut Attempt, now: u64) {
        let charge = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_known(&raw const charge, attempt.at_mut(), now) }
    }

    pub fn recheck(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let charge = self.pointers();
        // SAFETY: as in begin().
        verdict(unsafe { calls::native_recheck(&raw const charge, attempt.at_mut(), mode_number(mode), now) })
    }

    pub fn resend(&mut self, attempt: &mut Attempt, mode: Mode, now: u64) -> Verdict {
        let charge = self.pointers();
        // SAFETY: as in begin().
        verdict(unsafe { calls::native_resend(&raw const charge, attempt.at_mut(), mode_number(mode), now) })
    }

    pub fn end(&mut self, attempt: &mut Attempt, ending: Ending, neighbours: u32, now: u64) {
        let charge = self.pointers();
        // SAFETY: as in begin().
        unsafe {
            calls::native_end(&raw const charge, attempt.at_mut(), ending_number(ending), neighbours, now);
        }
    }

    /// The walk over all live attempts meets this one.
    pub fn seen(&mut self, attempt: &mut Attempt) {
        let charge = self.pointers();
        // SAFETY: as in begin().
        unsafe { calls::native_seen(&raw const charge, attempt.at_mut()) }
    }
}
