//! Where programs connect to whose attempts wait. Bounded, whatever programs do: SYNs that left come first, since
//! somebody else may have seen them.

use crate::history::Gone;
use halfopen_bpf::{AccountId, Attempt, AttemptState, HeldAttempt, Program, ScopeId};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How many waiting attempts are followed.
const FOLLOWED: usize = 20_000;
/// How many SYNs that left are kept of an account in a minute, and of all accounts.
const OF_ACCOUNT: u32 = 300;
const OF_ALL: u32 = 1_500;
/// How many attempts are kept of an account in a minute that began to wait.
const HELD_OF_ACCOUNT: u32 = 20;

/// An attempt that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::daemon) struct Noted {
    /// When its SYN left, or when it began to wait, on the kernel's monotonic clock.
    pub at: Duration,
    pub account: AccountId,
    pub program: Program,
    pub destination: SocketAddr,
    pub gone: Gone,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Dials {
    /// By the socket's cookie.
    waiting: HashMap<u64, Noted>,
    noted: Vec<Noted>,
    /// The cookies of SYNs that are noted.
    known: HashSet<u64>,
    of_account: HashMap<(AccountId, bool), u32>,
    of_all: u32,
}

fn account_of(own: Option<AccountId>) -> AccountId {
    own.unwrap_or(AccountId::of_scope(ScopeId::HOST))
}

impl Dials {
    /// An attempt began to wait, or would have in audit mode.
    pub fn held(&mut self, held: &HeldAttempt) {
        let gone = if held.audited { Gone::Audited } else { Gone::Held };
        let noted = Noted { gone, ..noted(held) };
        if !held.audited && self.waiting.len() < FOLLOWED {
            self.waiting.insert(held.place.cookie, noted.clone());
        }
        self.note(held.place.cookie, noted);
    }

    /// A followed attempt was released. Returns how long it waited, and in whose account.
    pub fn released(&mut self, at: Duration, cookie: u64) -> Option<(AccountId, Duration)> {
        let waited = self.waiting.remove(&cookie)?;
        let (account, wait) = (waited.account, at.saturating_sub(waited.at));
        self.note(cookie, Noted { at, gone: Gone::AfterWait, ..waited });
        Some((account, wait))
    }

    /// A followed attempt ended while it waited.
    pub fn left(&mut self, cookie: u64) {
        self.waiting.remove(&cookie);
    }

    /// The silence of an attempt made its account a suspect.
    pub fn suspect(&mut self, attempt: &HeldAttempt) {
        self.note(attempt.place.cookie, noted(attempt));
    }

    /// An attempt that is alive at `now`, of an account that is looked at.
    pub fn live(&mut self, now: Duration, attempt: &Attempt) {
        if attempt.state == AttemptState::Queued {
            return;
        }
        let noted = Noted {
            at: now.saturating_sub(attempt.out_for.unwrap_or_default()),
            account: account_of(attempt.own),
            program: attempt.program.clone(),
            destination: attempt.destination,
            gone: Gone::AtOnce,
        };
        self.note(attempt.place.cookie, noted);
    }

    fn note(&mut self, cookie: u64, noted: Noted) {
        let left = noted.gone.left();
        if left && self.known.contains(&cookie) {
            return;
        }
        let most = if left { OF_ACCOUNT } else { HELD_OF_ACCOUNT };
        let of_account = self.of_account.entry((noted.account, left)).or_default();
        if *of_account >= most || self.of_all >= OF_ALL {
            return;
        }
        *of_account += 1;
        self.of_all += 1;
        if left {
            self.known.insert(cookie);
        }
        self.noted.push(noted);
    }

    /// Takes those that are to be kept.
    pub fn take(&mut self) -> Vec<Noted> {
        std::mem::take(&mut self.noted)
    }

    /// Begins a minute. `live` has the cookies of all attempts, where they are known.
    pub fn begin_minute(&mut self, live: Option<&HashSet<u64>>) {
        self.of_account.clear();
        self.of_all = 0;
        if let Some(live) = live {
            self.known.retain(|cookie| live.contains(cookie));
            self.waiting.retain(|cookie, _| live.contains(cookie));
        }
    }
}

fn noted(attempt: &HeldAttempt) -> Noted {
    Noted {
        at: attempt.at,
        account: account_of(attempt.own),
        program: attempt.program.clone(),
        destination: attempt.destination,
        gone: Gone::AtOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_bpf::{Place, WaitsFor};
    use halfopen_policy::{Contact, Party};

    fn held(cookie: u64, audited: bool) -> HeldAttempt {
        HeldAttempt {
            at: Duration::from_secs(1),
            scope: ScopeId::HOST,
            own: None,
            interface: None,
            party: Party { top: 0, part: 0 },
            contact: Contact::Known,
            waits_for: WaitsFor::Slot,
            place: Place { cookie, netns: 1, device: 0, local: ([10, 0, 0, 1], 4_000).into() },
            program: Program { pid: 1, uid: 0, comm: "scan".into(), cgroup_id: 1 },
            destination: ([198, 18, 0, 1], 22).into(),
            audited,
        }
    }

    #[test]
    fn a_syn_that_left_is_kept_once_whatever_waits_beside_it() {
        let mut dials = Dials::default();
        (0..10_000).for_each(|cookie| dials.held(&held(cookie, false)));
        assert_eq!(dials.take().len(), HELD_OF_ACCOUNT as usize);
        let (account, wait) = dials.released(Duration::from_secs(3), 9_999).unwrap();
        assert_eq!((account, wait), (AccountId::of_scope(ScopeId::HOST), Duration::from_secs(2)));
        assert_eq!(dials.released(Duration::from_secs(3), 9_999), None);
        dials.suspect(&held(9_999, false));
        let kept = dials.take();
        assert_eq!(kept.iter().map(|noted| noted.gone).collect::<Vec<_>>(), [Gone::AfterWait]);
        assert_eq!(kept[0].at, Duration::from_secs(3));
        dials.left(7);
        assert_eq!(dials.released(Duration::from_secs(3), 7), None);
    }

    #[test]
    fn a_minute_has_a_bound_and_the_next_one_begins_anew() {
        let mut dials = Dials::default();
        (0..10_000).for_each(|cookie| dials.held(&held(cookie, true)));
        assert_eq!(dials.take().len(), OF_ACCOUNT as usize);
        dials.begin_minute(Some(&HashSet::new()));
        (0..10).for_each(|cookie| dials.held(&held(cookie, true)));
        assert_eq!(dials.take().len(), 10);
    }
}
