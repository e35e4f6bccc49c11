//! What the shadow learns in audit mode is what enforcing would have done.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen_policy::shadow::{Begun, Shadow, Waited};
use halfopen_policy::wake::AccountId;
use halfopen_policy::{
    Accounting, Contact, CreditBucket, Ending, FirstContact, Limits, Mode, Origin, Party, Rate, Standing,
    Verdict,
};
use std::collections::BTreeMap;
use std::time::Duration;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A host in audit mode, as the kernel part runs it and tells of it.
struct Audited {
    accounting: Accounting,
    limits: Limits,
    shadow: Shadow,
    told_until: u64,
    ends: BTreeMap<(u64, u64), (halfopen_policy::AttemptId, u64, bool)>,
    cookie: u64,
}

impl Audited {
    fn new(limits: Limits) -> Self {
        let accounting = Accounting::new(Mode::Audit, limits);
        Self {
            accounting,
            limits,
            shadow: Shadow::default(),
            told_until: 0,
            ends: BTreeMap::new(),
            cookie: 0,
        }
    }

    fn pass(&mut self, until: u64) {
        while let Some(next) = self.ends.first_entry().filter(|next| next.key().0 <= until) {
            let ((at, cookie), (id, out_at, answered)) = next.remove_entry();
            let ending = if answered { Ending::Established } else { Ending::Cancelled };
            self.accounting.end(at, id, ending, 0);
            if at < self.told_until {
                self.shadow.ended(at, cookie, None, out_at, answered);
            }
        }
        let limits = self.limits;
        if let Some(until) = self.shadow.tend(until, &|_| Some(limits)) {
            self.told_until = until;
        }
    }

    /// One that ends so long after its SYN.
    fn dial(&mut self, at: u64, contact: Contact, after: u64, answered: bool) -> Verdict {
        self.pass(at);
        self.cookie += 1;
        let (port, party) = (80, Party { top: 1, part: 1 });
        let first = contact != Contact::Known;
        let origin = Origin { first, address: self.cookie, port, party, ..Origin::default() };
        let (id, verdict) = self.accounting.begin(at, origin);
        self.ends.insert((at + after, self.cookie), (id, at, answered));
        let held_by = (verdict == Verdict::GoAudited).then_some(0);
        let begun = Begun {
            at,
            cookie: self.cookie,
            own: None,
            interface: None,
            party,
            contact,
            address: self.cookie,
            port,
            standing: Standing::Bound,
            held_by,
        };
        if held_by.is_some() {
            self.told_until = at + halfopen_policy::shadow::LEARNED_NS;
        }
        if at < self.told_until {
            let limits = self.limits;
            self.shadow.began(&begun, &|_| Some(limits));
        }
        verdict
    }

    /// The waits that were learned, in milliseconds.
    fn waits(&mut self, until: u64) -> Vec<u64> {
        (0..until).step_by(100 * MS as usize).for_each(|at| self.pass(at));
        let waits: Vec<Waited> = self.shadow.take();
        assert!(waits.iter().all(|waited| waited.account == AccountId::HOST));
        waits.iter().map(|waited| waited.wait / MS).collect()
    }
}

fn drained(half_open: u32, per_second: u32) -> Limits {
    let drain = Rate::new(per_second, Duration::from_secs(1));
    Limits { half_open: Some(half_open), drain, ..Limits::xp_sp2() }
}

#[test]
fn a_burst_waits_for_its_turns_one_after_the_other() {
    let mut host = Audited::new(drained(10, 10));
    let held =
        (0..50).filter(|_| host.dial(SECOND, Contact::Known, 20 * MS, true) == Verdict::GoAudited).count();
    assert_eq!(held, 40);
    // Audit mode finds free slots again, but enforcing has a queue by now.
    assert_eq!(host.dial(SECOND + 100 * MS, Contact::Known, 20 * MS, true), Verdict::Go);
    let waits = host.waits(30 * SECOND);
    assert_eq!(waits.len(), 41);
    for (turn, wait) in waits.iter().take(40).enumerate() {
        assert!(wait.abs_diff(turn as u64 * 100) <= 130, "turn {turn} came after {wait} ms");
    }
    assert!(waits[40].abs_diff(3_900) <= 130, "{waits:?}");
}

#[test]
fn a_scan_waits_for_the_slots_of_those_before_it_to_expire() {
    let mut host = Audited::new(drained(10, 1_000));
    for _ in 0..30 {
        host.dial(SECOND, Contact::Known, 60 * SECOND, false);
    }
    let waits = host.waits(59 * SECOND);
    // Its program gives up after a minute, as it did in audit mode. Three SYNs have left in the first seventh of 21 s.
    let life = 24_000;
    assert_eq!(waits.len(), 20, "{waits:?}");
    assert!(waits[..10].iter().all(|wait| (19_000..=life + 1_500).contains(wait)), "{waits:?}");
    assert!(waits[10..].iter().all(|wait| (38_000..=2 * life + 3_000).contains(wait)), "{waits:?}");
}

#[test]
fn strangers_wait_for_credit() {
    let first = FirstContact { credit: 4, ..FirstContact::adaptive() };
    let limits = Limits { half_open: None, first_contact: Some(first), drain: None, ..Limits::xp_sp2() };
    let mut host = Audited::new(limits);
    let stranger = Contact::First(CreditBucket::Strangers);
    for _ in 0..8 {
        host.dial(SECOND, stranger, 60 * SECOND, false);
    }
    let waits = host.waits(40 * SECOND);
    assert!(!waits.is_empty() && waits.len() <= 4, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait >= 400), "{waits:?}");
}

#[test]
fn who_never_waits_takes_slots_and_learns_nothing() {
    let mut host = Audited::new(drained(10, 10));
    for _ in 0..10 {
        host.dial(SECOND, Contact::Known, 20 * MS, true);
    }
    assert_eq!(host.waits(5 * SECOND), [0; 0]);
    assert_eq!(host.shadow.gave_up(), 0);
}

#[test]
fn memory_is_bounded_and_what_is_beyond_is_counted() {
    let mut host = Audited::new(Limits { queue: 100_000, ..drained(10, 1) });
    for _ in 0..25_000 {
        host.dial(SECOND, Contact::Known, 200 * SECOND, true);
    }
    assert_eq!(host.shadow.not_followed(), 25_000 - 10 - 20_000);
    host.waits(140 * SECOND);
    assert!(host.shadow.gave_up() >= 19_800, "{}", host.shadow.gave_up());
}
