//! Episodes on a clock that the tests set.

use super::*;
use halfopen_policy::Contact;

const SECOND: Duration = Duration::from_secs(1);

/// A host that is looked at each second, as the daemon does; each wait is reported, but where it is said otherwise.
#[derive(Default)]
struct Host {
    episodes: Episodes,
    now: Duration,
    last_waiter: Duration,
    reports: Vec<(u64, Report)>,
}

fn program(pid: u32) -> Program {
    Program { pid, uid: 0, comm: format!("scan-{pid}"), cgroup_id: 1 }
}

fn nobody(_: &Program) -> Option<Identity> {
    None
}

#[test]
fn what_is_found_out_for_an_event_is_known_in_the_next() {
    let mut host = Host::default();
    host.waits("host", 1, 80);
    host.seconds(1, "host", 0);
    let mut reached = host.reports.pop().unwrap().1;
    assert_eq!(reached.programs[0].identity, None);
    reached.programs[0].identity = Some(Identity::unknown(7));
    host.episodes.know(&reached);
    host.seconds(20, "host", 0);
    let cleared = host.reports.pop().unwrap().1;
    assert_eq!((cleared.state, &cleared.programs), (State::Cleared, &reached.programs));
}

#[test]
fn an_episode_goes_on_under_the_next_daemon() {
    let mut host = Host { now: Duration::from_secs(100), ..Host::default() };
    host.episodes.resume("host", State::Reached, Duration::from_secs(20));
    host.episodes.resume("host", State::Cleared, Duration::from_secs(30));
    host.episodes.resume("host", State::Reached, Duration::from_secs(95));
    host.waits("host", 1, 80);
    host.last_waiter = host.now;
    assert_eq!(host.episodes.look(host.now, "host", 1, host.last_waiter), None);
    let cleared = host.episodes.look(Duration::from_secs(110), "host", 0, host.last_waiter).unwrap();
    assert_eq!((cleared.state, cleared.attempts), (State::Cleared, 1));
    // The pause between two pairs counts from what the earlier daemon announced.
    host.now = Duration::from_mins(2);
    host.waits("host", 1, 81);
    assert_eq!(host.episodes.due(), Some(Duration::from_secs(155)));
}

impl Host {
    fn waits(&mut self, scope: &str, pid: u32, port: u16) {
        let waiter = Waiter {
            at: self.now,
            scope,
            program: &program(pid),
            own: None,
            destination: ([198, 18, 0, 7], port).into(),
            contact: Contact::Known,
            audited: false,
        };
        self.episodes.waits(&waiter, nobody);
        self.last_waiter = self.now;
    }

    fn seconds(&mut self, seconds: u64, scope: &str, queued: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            if queued > 0 {
                self.last_waiter = self.now;
            }
            let report = self.episodes.look(self.now, scope, queued, self.last_waiter);
            self.reports.extend(report.map(|report| (self.now.as_secs(), report)));
        }
    }

    fn states(&self) -> Vec<(u64, State)> {
        self.reports.iter().map(|(at, report)| (*at, report.state)).collect()
    }

    /// Looked at as the daemon does, with somebody waiting since `oldest`, or nobody.
    fn look_up(&mut self, scope: &str, oldest: Option<Duration>) {
        if self.episodes.asks_who_waits(self.now) {
            let oldest = oldest.map(|since| (scope.to_owned(), since));
            self.episodes.oldest_waits(self.now, &oldest.into_iter().collect());
        }
        let queued = u64::from(oldest.is_some());
        if queued > 0 {
            self.last_waiter = self.now;
        }
        let report = self.episodes.look(self.now, scope, queued, self.last_waiter);
        self.reports.extend(report.map(|report| (self.now.as_secs(), report)));
    }

    fn after_a_second() -> Self {
        let mut host = Self::default();
        host.episodes.set_event_after(SECOND);
        host
    }
}

#[test]
fn ten_thousand_waiters_make_one_pair() {
    let mut host = Host::default();
    for i in 0..10_000_u32 {
        host.waits("host", 4242, i as u16);
    }
    host.seconds(1_000, "host", 1);
    host.seconds(30, "host", 0);
    assert_eq!(host.states(), [(1, State::Reached), (1010, State::Cleared)]);
    let cleared = &host.reports[1].1;
    assert_eq!((cleared.attempts, cleared.programs[0].attempts), (10_000, 10_000));
    assert_eq!(cleared.programs[0].sample.len(), 5);
}

#[test]
fn an_empty_queue_for_nine_seconds_does_not_end_it() {
    let mut host = Host::default();
    host.waits("host", 1, 80);
    host.seconds(9, "host", 0);
    host.waits("host", 1, 81);
    host.seconds(9, "host", 0);
    assert_eq!(host.states(), [(1, State::Reached)]);
    host.seconds(1, "host", 0);
    assert_eq!(host.states(), [(1, State::Reached), (19, State::Cleared)]);
    host.seconds(100, "host", 0);
    assert_eq!(host.reports.len(), 2, "an old waiter in the ledger opens no new episode");
}

#[test]
fn a_waiter_known_from_the_ledger_alone_counts() {
    let mut host = Host { now: Duration::from_secs(5), ..Host::default() };
    host.seconds(1, "host", 1);
    host.seconds(20, "host", 0);
    assert_eq!(host.states(), [(7, State::Reached), (16, State::Cleared)]);
    assert!(host.reports[0].1.programs.is_empty());
}

#[test]
fn within_a_minute_the_rest_is_summed_up_in_the_next() {
    let mut host = Host::default();
    for _ in 0..3 {
        host.waits("host", 1, 80);
        host.seconds(15, "host", 0);
    }
    assert_eq!(host.states(), [(1, State::Reached), (10, State::Cleared)]);
    host.seconds(20, "host", 0);
    host.waits("host", 2, 80);
    host.seconds(15, "host", 0);
    assert_eq!(host.states()[2..], [(66, State::Reached), (75, State::Cleared)]);
    let summed_up = &host.reports[2].1;
    assert_eq!((summed_up.earlier, summed_up.attempts), (2, 3));
    assert_eq!(summed_up.programs.iter().map(|tally| tally.attempts).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn an_episode_that_outlasts_the_minute_gets_its_event() {
    let mut host = Host::default();
    host.waits("host", 1, 80);
    host.seconds(20, "host", 0);
    host.seconds(60, "host", 3);
    assert_eq!(host.states()[2..], [(61, State::Reached)]);
}

#[test]
fn ten_pairs_a_minute_in_all() {
    let mut host = Host::default();
    for scope in 0..30 {
        host.waits(&format!("exec-{scope}"), scope, 80);
    }
    for _ in 0..70 {
        host.now += Duration::from_secs(1);
        for scope in 0..30 {
            let report = host.episodes.look(host.now, &format!("exec-{scope}"), 1, host.now);
            host.reports.extend(report.map(|report| (host.now.as_secs(), report)));
        }
    }
    let reached =
        |within: std::ops::Range<u64>| host.reports.iter().filter(|(at, _)| within.contains(at)).count();
    assert_eq!((reached(0..61), reached(61..71)), (10, 10));
}

#[test]
fn memory_is_bounded_and_the_list_short() {
    let mut host = Host::default();
    for pid in 0..5_000 {
        host.waits("host", pid, 80);
    }
    host.waits("host", 7, 81);
    host.seconds(1, "host", 1);
    let report = &host.reports[0].1;
    assert_eq!((report.programs.len(), report.programs_in_all, report.attempts), (16, 1_001, 5_001));
    assert_eq!(report.programs[0].program.pid, 7);
}

#[test]
fn a_removed_scope_still_clears() {
    let mut host = Host::default();
    host.waits("exec-1", 1, 80);
    assert_eq!(host.episodes.due(), Some(ANNOUNCED_AFTER));
    host.seconds(1, "exec-1", 1);
    assert_eq!(host.episodes.due(), None);
    let report = host.episodes.remove("exec-1").unwrap();
    assert_eq!((report.state, report.scope_ended), (State::Cleared, true));
    assert_eq!(host.episodes.remove("exec-1"), None);
}

#[test]
fn short_waits_are_not_reported_however_many() {
    let mut host = Host::after_a_second();
    for second in 0..100 {
        host.now = Duration::from_secs(second);
        host.waits("host", 1, second as u16);
        host.now += Duration::from_millis(30);
        host.look_up("host", None);
        host.now += Duration::from_millis(870);
        let since = host.now;
        host.now += Duration::from_millis(30);
        host.look_up("host", Some(since));
    }
    for _ in 0..20 {
        host.now += SECOND;
        host.look_up("host", None);
    }
    assert_eq!(host.states(), []);
    assert!(!host.episodes.is_open("host") && host.episodes.due().is_none());
    // Nor are they counted in with what is reported later.
    host.waits("host", 2, 80);
    let since = host.now;
    host.now += SECOND;
    host.look_up("host", Some(since));
    let report = &host.reports[0].1;
    assert_eq!((report.state, report.attempts, report.earlier), (State::Reached, 1, 0));
}

#[test]
fn a_waiter_is_reported_while_it_waits_when_it_has_for_long() {
    let mut host = Host::after_a_second();
    host.waits("host", 1, 80);
    assert_eq!(host.episodes.due(), Some(SECOND));
    host.now = Duration::from_millis(600);
    host.waits("host", 2, 80);
    assert!(!host.episodes.asks_who_waits(host.now));
    // The first one has gone by then: who is oldest now says when to look again.
    host.now = SECOND;
    assert!(host.episodes.asks_who_waits(host.now));
    host.look_up("host", Some(Duration::from_millis(600)));
    assert_eq!((host.states(), host.episodes.due()), (vec![], Some(Duration::from_millis(1_600))));
    host.now = Duration::from_millis(1_600);
    host.look_up("host", Some(Duration::from_millis(600)));
    assert_eq!(host.states(), [(1, State::Reached)]);
    assert_eq!(host.reports[0].1.programs.len(), 2, "all who waited are named");
    // It goes on waiting for minutes, and needs not be looked up any more.
    host.now = Duration::from_mins(5);
    assert!(!host.episodes.asks_who_waits(host.now));
    host.look_up("host", Some(Duration::from_millis(600)));
    host.now += CLEARED_AFTER;
    host.look_up("host", None);
    assert_eq!(host.states(), [(1, State::Reached), (310, State::Cleared)]);
}

#[test]
fn who_waits_is_not_looked_up_all_the_time() {
    let mut host = Host::after_a_second();
    host.waits("host", 1, 80);
    host.now = SECOND;
    host.episodes.oldest_waits(host.now, &[("host".to_owned(), Duration::from_millis(1))].into());
    assert_eq!(host.episodes.due(), Some(SECOND + LOOKED_UP_EVERY));
    host.episodes.oldest_waits(host.now, &BTreeMap::new());
    assert_eq!(host.episodes.due(), None);
}

#[test]
fn a_refused_attempt_and_one_that_gave_up_are_reported_at_once() {
    let mut host = Host::after_a_second();
    host.episodes.gave_up(host.now, "host");
    host.look_up("host", None);
    assert_eq!(host.states(), [], "nothing is known of who it was");
    host.waits("host", 1, 80);
    host.episodes.gave_up(host.now, "host");
    host.look_up("host", None);
    assert_eq!(host.states(), [(0, State::Reached)]);

    host.episodes.refused(host.now, "second", &[(program(7), 3)], nobody);
    assert_eq!(host.episodes.due(), Some(host.now));
    host.look_up("second", None);
    let report = &host.reports[1].1;
    assert_eq!((report.scope.as_str(), report.state, report.attempts), ("second", State::Reached, 0));
    assert_eq!((report.programs[0].program.pid, report.programs[0].refused), (7, 3));
}

#[test]
fn what_only_would_have_waited_is_reported_as_if_it_had_for_long() {
    let mut host = Host::after_a_second();
    let (program, destination) = (program(1), ([198, 18, 0, 7], 80).into());
    let waiter = Waiter {
        at: host.now,
        scope: "host",
        program: &program,
        own: None,
        destination,
        contact: Contact::Known,
        audited: true,
    };
    host.episodes.waits(&waiter, nobody);
    assert_eq!(host.episodes.due(), Some(ANNOUNCED_AFTER));
    host.now = SECOND;
    host.look_up("host", None);
    assert_eq!(host.states(), [(1, State::Reached)]);
}

#[test]
fn what_the_limit_of_events_kept_back_waits_for_the_next_report() {
    let mut host = Host::after_a_second();
    let mut wait = |second: u64, seconds: u64| {
        host.now = Duration::from_secs(second);
        host.waits("host", second as u32, 80);
        let since = host.now;
        host.now += Duration::from_secs(seconds);
        host.look_up("host", (seconds > 0).then_some(since));
        host.now += Duration::from_secs(11);
        host.look_up("host", None);
    };
    // Reported; kept back, as it is within the minute; short; reported with the second, and without the third.
    for (second, seconds) in [(0, 2), (20, 2), (70, 0), (90, 2)] {
        wait(second, seconds);
    }
    let told: Vec<_> =
        host.reports.iter().map(|(_, report)| (report.state, report.earlier, report.attempts)).collect();
    let (reached, cleared) = (State::Reached, State::Cleared);
    assert_eq!(told, [(reached, 0, 1), (cleared, 0, 1), (reached, 1, 2), (cleared, 1, 2)]);
}
