//! When an attempt towards a dead address gives up.

use rustix::io::Errno;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::desk::PATIENCE;
use testkit::invariant::{Attempt, attempts, least_gap};
use testkit::rig::calls::{Calls, Ended, TCP_SYNCNT, TCP_USER_TIMEOUT};
use testkit::rig::{Rig, host, until};
use testkit::{Family, HostKind, Lab, Scope, Side, require_lab};

/// Of tcp_syn_retries at 6, which is the kernel's default: 131 s.
const DEFAULT_BUDGET: Duration = Duration::from_secs(131);
/// Just under the second that TCP itself waits before it repeats a SYN.
const SYN_GAP: Duration = Duration::from_millis(975);

/// What a program asks of its socket, by setsockopt().
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Own {
    Default,
    SynCount(u32),
    UserTimeout(u32),
}

const OWN: [Own; 4] = [Own::Default, Own::SynCount(1), Own::SynCount(3), Own::UserTimeout(3_000)];

/// A socket that asks a dead address.
#[derive(Debug)]
struct Subject {
    name: String,
    own: Own,
    to: SocketAddr,
    /// By the port at its own end; known once it is bound.
    port: u16,
}

impl Subject {
    fn begin(calls: &Calls, name: String, own: Own, to: SocketAddr, mapped: bool) -> Self {
        let asked = match to.ip() {
            IpAddr::V4(ip) if mapped => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        calls.open(&name, asked);
        own.ask(calls, &name);
        calls.connect_on(&name, asked);
        let port = calls.port(&name);
        Self { name, own, to, port }
    }

    /// The time from its first SYN on the wire to its end.
    fn lasted(&self, ended: &Ended, seen: &[Attempt]) -> Duration {
        let mut mine =
            seen.iter().filter(|attempt| (attempt.from.port(), attempt.to) == (self.port, self.to));
        let attempt = mine.next().unwrap_or_else(|| panic!("no SYN of {self:?} was seen"));
        assert_eq!(ended.outcome, Err(Errno::TIMEDOUT), "{self:?}");
        ended.at.checked_sub(attempt.syns[0]).unwrap()
    }
}

impl Own {
    fn ask(self, calls: &Calls, name: &str) {
        match self {
            Self::Default => {}
            Self::SynCount(count) => calls.set(name, TCP_SYNCNT, count),
            Self::UserTimeout(ms) => calls.set(name, TCP_USER_TIMEOUT, ms),
        }
    }
}

/// All begin to wait at their time and are released at the same moment, after 30 s, 5 s and some 10 ms.
#[test]
fn released_attempts_give_up_as_if_they_had_never_waited() {
    require_lab!();
    let others = 4;
    let held = OWN.len() as u32 * 3 + others;
    let rig = Rig::new(held, &[("max_wait", "120s")]);
    let outside = rig.lab.new_cgroup("outside").unwrap();
    let capture = rig.lab.capture(Side::World).unwrap();
    let blockers = rig.block(held);
    let (calls, free) = (rig.calls(), Calls::start(rig.lab.client(), &outside));

    let begin_all = |calls: &Calls, wait: &str| {
        let begin =
            |own| Subject::begin(calls, format!("{wait} {own:?}"), own, rig.host(HostKind::Dead), false);
        OWN.map(begin).into_iter().collect::<Vec<_>>()
    };
    let unheld = begin_all(&free, "none");
    let start = Instant::now();
    let mut subjects = begin_all(&calls, "30 s");
    sleep_until(start + Duration::from_secs(25));
    subjects.extend(begin_all(&calls, "5 s"));
    let v6 = host(&rig.lab, HostKind::Dead, Family::V6);
    subjects.push(Subject::begin(&calls, "5 s IPv6".to_owned(), Own::SynCount(1), v6, false));
    let mapped = rig.host(HostKind::Dead);
    subjects.push(Subject::begin(&calls, "5 s mapped".to_owned(), Own::SynCount(3), mapped, true));
    // These ask for their own budget only while they wait.
    for (name, own) in [("5 s, then 1", Own::SynCount(1)), ("5 s, then 3 s", Own::UserTimeout(3_000))] {
        subjects.push(Subject::begin(&calls, name.to_owned(), Own::Default, rig.host(HostKind::Dead), false));
        own.ask(&calls, name);
        subjects.last_mut().unwrap().own = own;
    }
    sleep_until(start + Duration::from_secs(30));
    subjects.extend(begin_all(&calls, "10 ms"));
    let waits = |scope: &Scope| scope.queued == i64::from(held);
    until(&rig.limiter, "all to wait", PATIENCE, waits);
    drop(blockers);

    let unheld_ends = ends(&free, &unheld);
    let held_ends = ends(&calls, &subjects);
    for subject in &subjects {
        let own = match subject.own {
            Own::Default => (6, 0),
            Own::SynCount(count) => (count, 0),
            Own::UserTimeout(ms) => (6, ms),
        };
        assert_eq!(calls.budget(&subject.name), own, "{subject:?}");
    }
    let captured = capture.finish().unwrap();
    assert_eq!(captured.lost, 0, "the recording lost packets");
    let seen = attempts(&captured.segments, &[]);
    let gap = least_gap(&seen).unwrap();
    assert!(gap.length >= SYN_GAP, "{gap:?}");

    let budgets: HashMap<_, _> = unheld
        .iter()
        .zip(&unheld_ends)
        .map(|(subject, ended)| (subject.own, subject.lasted(ended, &seen)))
        .collect();
    println!("unheld: {budgets:?}");
    assert!(budgets[&Own::Default].abs_diff(DEFAULT_BUDGET) < Duration::from_secs(8), "{budgets:?}");
    let mut wrong = Vec::new();
    for (subject, ended) in subjects.iter().zip(&held_ends) {
        let (lasted, budget) = (subject.lasted(ended, &seen), budgets[&subject.own]);
        println!("{}: {lasted:?}", subject.name);
        if lasted.abs_diff(budget) > budget / 10 {
            wrong.push(format!("{} lasted {lasted:?}, unheld {budget:?}", subject.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(testkit::rig::faults(&rig.limiter), [].into());
}

fn ends(calls: &Calls, subjects: &[Subject]) -> Vec<Ended> {
    subjects.iter().map(|subject| calls.ended(&subject.name, DEFAULT_BUDGET + PATIENCE)).collect()
}

fn sleep_until(at: Instant) {
    sleep(at.saturating_duration_since(Instant::now()));
}

/// Where the namespace has another default, that is the budget.
#[test]
fn the_namespace_s_default_counts_from_the_release_too() {
    require_lab!();
    let lab = Lab::new().unwrap();
    lab.client().sysctl("net.ipv4.tcp_syn_retries", "2").unwrap();
    let limiter = testkit::rig::limit(&lab, lab.cgroup(), 1, &[("max_wait", "60s")]);
    let capture = lab.capture(Side::World).unwrap();
    let blocker = testkit::rig::block(&lab, lab.cgroup(), &limiter, 1);
    let calls = Calls::start(lab.client(), lab.cgroup());
    let dead = host(&lab, HostKind::Dead, Family::V4);
    let it = Subject::begin(&calls, "it".to_owned(), Own::Default, dead, false);
    // Longer than it would have had, had it not waited.
    sleep(Duration::from_secs(8));
    assert!(!calls.has_ended("it"));
    drop(blocker);
    let ended = calls.ended("it", PATIENCE);
    let seen = attempts(&capture.finish().unwrap().segments, &[]);
    let gap = least_gap(&seen).unwrap();
    assert!(gap.length >= SYN_GAP, "{gap:?}");
    let lasted = it.lasted(&ended, &seen);
    assert!(lasted.abs_diff(Duration::from_secs(7)) < Duration::from_millis(700), "{lasted:?}");
}
