//! The deciding part of the kernel code (`bpf/native.c`), compiled for user space and held against the policy crate.

mod answers;
mod datagrams;
mod patience;
mod recount;
mod rules;
mod side_by_side;

use crate::plain::{AttemptRecord, HeldRecord, TurnRecord};
use crate::skeleton::types::{attempt, limits, party, scope};
use crate::{ledger, settings};
use halfopen_policy::{Ending, Ledger, Limits, Mode, Party, Standing, Verdict};
use std::collections::BTreeMap;
use std::ptr;

/// `struct books`.
#[repr(C)]
struct NativeBooks {
    /// The host's, the own one, the interface's.
    scope: [*mut scope; 3],
    limits: [*const limits; 3],
    top: *mut party,
    user: *mut party,
}

// SAFETY: the signatures of bpf/native.c; an enum is passed as the int that it is there.
unsafe extern "C" {
    fn native_begin(books: *mut NativeBooks, attempt: *mut attempt, mode: u32, now: u64) -> u32;
    fn native_recheck(books: *mut NativeBooks, attempt: *mut attempt, known: i32, mode: u32, now: u64)
    -> u32;
    fn native_resend(books: *mut NativeBooks, attempt: *mut attempt, mode: u32, now: u64) -> u32;
    fn native_end(books: *mut NativeBooks, attempt: *mut attempt, ending: u32, neighbours: u32, now: u64);
    fn native_datagram(scope: *mut scope, limits: *const limits, now: u64) -> i32;
    fn native_walk_begins(books: *mut NativeBooks);
    fn native_seen(books: *mut NativeBooks, attempt: *mut attempt);
    fn native_walk_ends(scope: *mut scope, walk: u32) -> i32;
    fn native_silent_patience_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32;
    fn native_syn_count_to_last(
        patience_ms: u32,
        timer_ms: u32,
        rechecks: u32,
        linear: u32,
        own_count: u32,
    ) -> u32;
    fn native_longest_wait_ms(patience_ms: u32, user_timeout_ms: u32, max_wait_ns: u64) -> u32;
    fn native_first_timer_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32;
    fn native_first_timer_woken_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32;
    fn native_next_wait_ms(
        held_ms: u32,
        rechecks: u32,
        waiting: u32,
        queue_number: u32,
        interval_ns: u64,
        woken: i32,
    ) -> u32;
    static native_sizes: [u32; 8];
}

fn silent_patience_ms(syn_count: u32, linear: u32, rto_max_ms: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_silent_patience_ms(syn_count, linear, rto_max_ms) }
}

fn syn_count_to_last(patience_ms: u32, timer_ms: u32, rechecks: u32, linear: u32, own_count: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_syn_count_to_last(patience_ms, timer_ms, rechecks, linear, own_count) }
}

fn longest_wait_ms(patience_ms: u32, user_timeout_ms: u32, max_wait_ns: u64) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_longest_wait_ms(patience_ms, user_timeout_ms, max_wait_ns) }
}

fn first_timer_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_first_timer_ms(waiting, queue_number, interval_ns, most) }
}

fn first_timer_woken_ms(waiting: u32, queue_number: u32, interval_ns: u64, most: u32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_first_timer_woken_ms(waiting, queue_number, interval_ns, most) }
}

fn next_wait_ms(held_ms: u32, rechecks: u32, waiting: u32, number: u32, interval_ns: u64, woken: i32) -> u32 {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { native_next_wait_ms(held_ms, rechecks, waiting, number, interval_ns, woken) }
}

const QUEUED: u8 = 1;
const OUT: u8 = 2;

fn verdict(number: u32) -> Verdict {
    match number {
        0 => Verdict::Hold,
        1 => Verdict::Go,
        2 => Verdict::GoAudited,
        3 => Verdict::TooEarly,
        other => panic!("no verdict has the number {other}"),
    }
}

/// What an attempt is: scopes by number, 0 = none but the host's.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    standing: Standing,
    own: usize,
    interface: usize,
    party: Party,
    first: bool,
    named: bool,
    address: u64,
}

/// The kernel's side: its scopes (the host's first) and the attempts in its sockets.
struct Kernel {
    mode: Mode,
    scopes: Vec<scope>,
    limits: Vec<limits>,
    sockets: Vec<attempt>,
    /// By top-level cgroup and user; `ALL_USERS` for the cgroup as one.
    parties: BTreeMap<(u64, u32), Box<party>>,
}

/// `ALL_USERS` of bpf/abi.h.
const ALL_USERS: u32 = u32::MAX;

impl Kernel {
    fn new(mode: Mode, scope_limits: &[Limits]) -> Self {
        Self {
            mode,
            scopes: vec![scope::default(); scope_limits.len()],
            limits: scope_limits.iter().map(settings::limits).collect(),
            sockets: Vec::new(),
            parties: BTreeMap::new(),
        }
    }

    /// A new socket's number.
    fn socket(&mut self) -> usize {
        self.sockets.push(attempt::default());
        self.sockets.len() - 1
    }

    /// Calls with the books that `socket` is charged to, as open_books() finds them.
    fn with_books<T>(&mut self, socket: usize, call: impl FnOnce(*mut NativeBooks, *mut attempt) -> T) -> T {
        let charged = &self.sockets[socket];
        let numbers = [0, charged.scope as usize, charged.interface as usize];
        assert!(numbers.iter().all(|number| *number < self.scopes.len()));
        let (top, user) = (charged.top, charged.uid);
        let mut party_of = |user| &raw mut **self.parties.entry((top, user)).or_default();
        let (top, user) = (party_of(ALL_USERS), party_of(user));
        let scopes = self.scopes.as_mut_ptr();
        let of_table =
            |number: usize| if number == 0 { ptr::null_mut() } else { scopes.wrapping_add(number) };
        let mut books = NativeBooks {
            scope: [scopes, of_table(numbers[1]), of_table(numbers[2])],
            limits: numbers.map(|number| &raw const self.limits[number]),
            top,
            user,
        };
        call(&raw mut books, &raw mut self.sockets[socket])
    }

    /// As on_connect() does: under `Mode::Off` nothing is booked.
    fn begin(&mut self, now: u64, socket: usize, life: &Life) -> Verdict {
        /// `ATTEMPT_ESSENTIAL`
        const ESSENTIAL: u16 = 256;
        /// `ATTEMPT_FIRST`
        const FIRST: u16 = 512;
        /// `ATTEMPT_NAMED`
        const NAMED: u16 = 8192;
        if self.mode == Mode::Off {
            return Verdict::Go;
        }
        let mode = settings::mode(self.mode);
        let attempt = &mut self.sockets[socket];
        attempt.scope = life.own as u32;
        attempt.interface = life.interface as u32;
        (attempt.top, attempt.uid) = (life.party.top, life.party.user);
        attempt.address = life.address;
        attempt.flags = if life.standing == Standing::Essential { ESSENTIAL } else { 0 };
        attempt.flags |= if life.first { FIRST } else { 0 };
        attempt.flags |= if life.named { NAMED } else { 0 };
        // SAFETY: with_books() hands out pointers to live structures that nothing else uses meanwhile.
        let number =
            self.with_books(socket, |books, attempt| unsafe { native_begin(books, attempt, mode, now) });
        self.sockets[socket].last_syn_ns = now;
        verdict(number)
    }

    fn recheck(&mut self, now: u64, socket: usize, known: bool) -> Verdict {
        let mode = settings::mode(self.mode);
        // SAFETY: as in begin().
        let number = self.with_books(socket, |books, attempt| unsafe {
            native_recheck(books, attempt, known.into(), mode, now)
        });
        self.note_syn(socket, verdict(number), now)
    }

    fn resend(&mut self, now: u64, socket: usize) -> Verdict {
        let mode = settings::mode(self.mode);
        // SAFETY: as in begin().
        let number =
            self.with_books(socket, |books, attempt| unsafe { native_resend(books, attempt, mode, now) });
        self.note_syn(socket, verdict(number), now)
    }

    /// As egress does.
    fn note_syn(&mut self, socket: usize, verdict: Verdict, now: u64) -> Verdict {
        if verdict == Verdict::Go {
            self.sockets[socket].last_syn_ns = now;
        }
        verdict
    }

    fn end(&mut self, now: u64, socket: usize, ending: Ending, neighbours: u32) {
        let number = match ending {
            Ending::Established => 0,
            Ending::TimedOut => 1,
            Ending::Other => 2,
        };
        // SAFETY: as in begin().
        self.with_books(socket, |books, attempt| unsafe {
            native_end(books, attempt, number, neighbours, now);
        });
    }

    fn walk_begins(&mut self) {
        let mut books = NativeBooks {
            scope: [self.scopes.as_mut_ptr(), ptr::null_mut(), ptr::null_mut()],
            limits: [&raw const self.limits[0]; 3],
            top: ptr::null_mut(),
            user: ptr::null_mut(),
        };
        // SAFETY: the host's scope and limits live and are not used otherwise during the call.
        unsafe { native_walk_begins(&raw mut books) }
    }

    /// As recount() does: only live attempts are shown to the books.
    fn walk_sees(&mut self, socket: usize) {
        if self.sockets[socket].state != 0 {
            // SAFETY: as in begin().
            self.with_books(socket, |books, attempt| unsafe { native_seen(books, attempt) });
        }
    }

    /// Returns the scopes whose books were wrong.
    fn walk_ends(&mut self) -> Vec<usize> {
        let walk = self.scopes[0].walk;
        let each = self.scopes.iter_mut().enumerate();
        // SAFETY: the scope lives and is borrowed for the call alone.
        each.filter_map(|(at, scope)| (unsafe { native_walk_ends(scope, walk) } != 0).then_some(at)).collect()
    }

    fn ledger(&self, scope: usize, now: u64) -> Ledger {
        ledger::ledger(&self.scopes[scope], now)
    }

    fn is_live(&self, socket: usize) -> bool {
        self.sockets[socket].state != 0
    }

    fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.sockets.len()).filter(|&socket| self.is_live(socket))
    }
}

#[test]
fn structures_have_the_size_that_the_kernel_gives_them() {
    let here = [
        size_of::<HeldRecord>(),
        size_of::<TurnRecord>(),
        size_of::<AttemptRecord>(),
        size_of::<attempt>(),
        size_of::<scope>(),
        size_of::<limits>(),
        size_of::<NativeBooks>(),
        size_of::<party>(),
    ];
    // SAFETY: an array of eight integers that is never written.
    let native = unsafe { native_sizes };
    assert_eq!(here.map(|size| size as u32), native);
}
