//! A walk over all live attempts repairs books that have drifted, also while attempts begin, change and end.

use super::side_by_side::{some_ending, some_limits};
use super::{Kernel, Life, OUT, QUEUED};
use halfopen_policy::{Ending, Limits, Mode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone)]
enum Act {
    Begin(Index),
    Timer(Index),
    End(Index, Ending),
    See(Index),
}

fn some_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<Index>().prop_map(Act::Begin),
        3 => any::<Index>().prop_map(Act::Timer),
        2 => (any::<Index>(), some_ending()).prop_map(|(at, ending)| Act::End(at, ending)),
        4 => any::<Index>().prop_map(Act::See),
    ]
}

/// One life goes on; what `act` chooses is chosen among the live sockets.
fn live_on(kernel: &mut Kernel, now: u64, act: &Act) {
    let live: Vec<_> = kernel.live().collect();
    match *act {
        Act::Begin(own) => {
            let socket = kernel.socket();
            kernel.begin(now, socket, &Life { own: own.index(kernel.scopes.len()), ..Life::default() });
        }
        _ if live.is_empty() => {}
        Act::Timer(at) => {
            let socket = *at.get(&live);
            if kernel.sockets[socket].state == QUEUED {
                kernel.recheck(now, socket, false);
            } else {
                kernel.resend(now, socket);
            }
        }
        Act::End(at, ending) => kernel.end(now, *at.get(&live), ending, 0),
        Act::See(at) => kernel.walk_sees(*at.get(&live)),
    }
}

/// Queued, waiting here and out, counted from the sockets.
fn counted(kernel: &Kernel, scope: usize) -> [usize; 3] {
    let here = |socket: &usize| scope == 0 || kernel.sockets[*socket].scope as usize == scope;
    let held_back_by = |socket: usize| {
        let attempt = &kernel.sockets[socket];
        if attempt.blocked_on == 1 { attempt.scope as usize } else { 0 }
    };
    let queued = |socket: &usize| kernel.sockets[*socket].state == QUEUED;
    [
        kernel.live().filter(here).filter(queued).count(),
        kernel.live().filter(queued).filter(|&socket| held_back_by(socket) == scope).count(),
        kernel.live().filter(here).filter(|&socket| kernel.sockets[socket].state == OUT).count(),
    ]
}

fn written(kernel: &Kernel, scope: usize) -> [usize; 3] {
    let scope = &kernel.scopes[scope];
    [scope.queued as usize, scope.waiting_here as usize, scope.out as usize]
}

/// What is added to the three counts of each scope.
type Drift = [[i8; 3]; 3];

fn plant(kernel: &mut Kernel, drift: &Drift) -> Vec<usize> {
    let mut wrong = Vec::new();
    for (at, (scope, drift)) in kernel.scopes.iter_mut().zip(drift).enumerate() {
        let before = [scope.queued, scope.waiting_here, scope.out];
        let counts = [&mut scope.queued, &mut scope.waiting_here, &mut scope.out];
        for (count, &by) in counts.into_iter().zip(drift) {
            *count = count.saturating_add_signed(by.into());
        }
        if [scope.queued, scope.waiting_here, scope.out] != before {
            wrong.push(at);
        }
    }
    wrong
}

fn some_drift() -> impl Strategy<Value = Drift> {
    prop::array::uniform3(prop::array::uniform3(prop_oneof![Just(0i8), -3..=3i8]))
}

fn grown(limits: &[Limits], acts: &[Act]) -> (Kernel, u64) {
    let mut kernel = Kernel::new(Mode::Enforce, limits);
    let mut now = 1_000_000_000;
    for act in acts {
        now += 100_000_000;
        live_on(&mut kernel, now, act);
    }
    (kernel, now)
}

proptest! {
    #[test]
    fn drift_is_found_and_repaired(
        limits in vec(some_limits(), 3),
        before in vec(some_act(), 0..60),
        drift in some_drift(),
    ) {
        let (mut kernel, _) = grown(&limits, &before);
        let wrong = plant(&mut kernel, &drift);
        kernel.walk_begins();
        for socket in kernel.live().collect::<Vec<_>>() {
            kernel.walk_sees(socket);
        }
        prop_assert_eq!(kernel.walk_ends(), wrong);
        for scope in 0..3 {
            prop_assert_eq!(written(&kernel, scope), counted(&kernel, scope));
        }
    }

    #[test]
    fn drift_is_repaired_while_life_goes_on(
        limits in vec(some_limits(), 3),
        before in vec(some_act(), 0..60),
        drift in some_drift(),
        during in vec(some_act(), 0..60),
    ) {
        let (mut kernel, mut now) = grown(&limits, &before);
        plant(&mut kernel, &drift);
        let there: Vec<_> = kernel.live().collect();
        kernel.walk_begins();
        for act in &during {
            now += 100_000_000;
            live_on(&mut kernel, now, act);
        }
        for socket in there {
            kernel.walk_sees(socket);
        }
        kernel.walk_ends();
        for scope in 0..3 {
            prop_assert_eq!(written(&kernel, scope), counted(&kernel, scope));
        }
    }
}
