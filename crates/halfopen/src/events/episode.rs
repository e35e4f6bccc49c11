//! Saturation episodes: from the first attempt that waits until none has waited for a while. Pure: the caller tells
//! the time, on the kernel's monotonic clock.

use super::Identity;
use halfopen_kernel::Program;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// How long after its first waiter an episode is announced, so that the event can name the programs.
pub const ANNOUNCED_AFTER: Duration = Duration::from_secs(1);
/// How long nothing must have waited until an episode is over.
pub const CLEARED_AFTER: Duration = Duration::from_secs(10);
/// The time within which a scope has one pair of events at most, and all scopes together [`PAIRS_PER_MINUTE`].
const MINUTE: Duration = Duration::from_mins(1);
const PAIRS_PER_MINUTE: usize = 10;
/// Programs whose attempts are counted apart in one episode; bounds the memory that a fork bomb can take.
const TRACKED: usize = 1_000;
/// Programs that a report lists.
const LISTED: usize = 16;
/// Destinations kept for each program.
const SAMPLE: usize = 5;

/// Which of its two events an episode is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Attempts wait.
    Reached,
    /// None has for [`CLEARED_AFTER`], or the scope has ended.
    Cleared,
}

/// An attempt that began to wait.
#[derive(Debug, Clone, Copy)]
pub struct Waiter<'a> {
    /// When.
    pub at: Duration,
    /// The scope in which it found no place.
    pub scope: &'a str,
    /// Whose.
    pub program: &'a Program,
    /// Where to.
    pub destination: SocketAddr,
    /// Whether it was only counted.
    pub audited: bool,
}

/// What one program did in an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Which.
    pub program: Program,
    /// What was found out about it; `None` = it was not looked up yet.
    pub identity: Option<Identity>,
    /// How many of its attempts began to wait.
    pub attempts: u64,
    /// The first few destinations.
    pub sample: Vec<SocketAddr>,
}

/// What an event has to say of an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether it begins or ends.
    pub state: State,
    /// In which scope.
    pub scope: String,
    /// The programs with the most attempts, most first.
    pub programs: Vec<Tally>,
    /// How many programs there were in all; at least as many where there were more than could be tracked.
    pub programs_in_all: usize,
    /// How many attempts began to wait.
    pub attempts: u64,
    /// Earlier episodes that had no event of their own and are counted in here.
    pub earlier: u32,
    /// Whether the attempts were only counted.
    pub audited: bool,
    /// Whether it is over because its scope is.
    pub scope_ended: bool,
}

#[derive(Debug, Default)]
struct Tallies {
    programs: HashMap<Program, Tally>,
    attempts: u64,
    untracked: bool,
    audited: bool,
    earlier: u32,
}

#[derive(Debug)]
struct Episode {
    began: Duration,
    last_waiter: Duration,
    announced: bool,
    tallies: Tallies,
}

#[derive(Debug, Default)]
struct Scope {
    current: Option<Episode>,
    /// When the last one was announced.
    announced: Option<Duration>,
    /// What ended unannounced.
    carried: Tallies,
}

/// The episodes of all scopes.
#[derive(Debug, Default)]
pub struct Episodes {
    scopes: BTreeMap<String, Scope>,
    announced: VecDeque<Duration>,
}

impl Episodes {
    /// Takes note of a waiter; `identify` is asked once for each program of an episode, and may put that off until it is
    /// reported.
    pub fn waits(&mut self, waiter: &Waiter<'_>, identify: impl FnOnce(&Program) -> Option<Identity>) {
        let scope = self.scopes.entry(waiter.scope.to_owned()).or_default();
        let episode = scope.at(waiter.at);
        let tallies = &mut episode.tallies;
        tallies.attempts += 1;
        tallies.audited = waiter.audited;
        if !tallies.programs.contains_key(waiter.program) && tallies.programs.len() >= TRACKED {
            tallies.untracked = true;
            return;
        }
        let tally = tallies.programs.entry(waiter.program.clone()).or_insert_with(|| Tally {
            program: waiter.program.clone(),
            identity: identify(waiter.program),
            attempts: 0,
            sample: Vec::new(),
        });
        tally.attempts += 1;
        if tally.sample.len() < SAMPLE && !tally.sample.contains(&waiter.destination) {
            tally.sample.push(waiter.destination);
        }
    }

    /// Takes note of what was found out about the programs of a report.
    pub fn know(&mut self, report: &Report) {
        let scope = self.scopes.get_mut(&report.scope);
        let Some(episode) = scope.and_then(|scope| scope.current.as_mut()) else { return };
        for told in &report.programs {
            if let Some(tally) = episode.tallies.programs.get_mut(&told.program) {
                tally.identity.clone_from(&told.identity);
            }
        }
    }

    /// Takes note of an event that an earlier daemon announced at that time. To be told in their order.
    pub fn resume(&mut self, name: &str, state: State, at: Duration) {
        let scope = self.scopes.entry(name.to_owned()).or_default();
        match state {
            State::Reached => {
                scope.announced = Some(at);
                scope.at(at).announced = true;
                self.announced.push_back(at);
            }
            State::Cleared => scope.current = None,
        }
    }

    /// Looks at a scope's ledger: how many wait in it now, and when one last did. The latter only keeps an episode
    /// open: the host's ledger tells of attempts too that wait for nothing but a narrower scope. Returns the event that
    /// is due.
    pub fn look(&mut self, now: Duration, name: &str, queued: u64, last_waiter: Duration) -> Option<Report> {
        while self.announced.front().is_some_and(|at| *at + MINUTE <= now) {
            self.announced.pop_front();
        }
        let scope = self.scopes.entry(name.to_owned()).or_default();
        if queued > 0 {
            scope.at(now);
        }
        let episode = scope.current.as_mut()?;
        episode.last_waiter = episode.last_waiter.max(last_waiter);
        if !episode.announced
            && episode.began + ANNOUNCED_AFTER <= now
            && scope.announced.is_none_or(|at| at + MINUTE <= now)
            && self.announced.len() < PAIRS_PER_MINUTE
        {
            episode.announced = true;
            scope.announced = Some(now);
            self.announced.push_back(now);
            return Some(episode.report(State::Reached, name));
        }
        if episode.last_waiter + CLEARED_AFTER <= now { scope.end(name) } else { None }
    }

    /// Ends a scope. Returns the event that its open episode still owes.
    pub fn remove(&mut self, name: &str) -> Option<Report> {
        let report = self.scopes.remove(name)?.end(name)?;
        Some(Report { scope_ended: true, ..report })
    }

    /// When [`Episodes::look`] should be called at the latest to announce in time; `None` = nothing is due.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let waiting = self.scopes.values().filter_map(|scope| {
            let episode = scope.current.as_ref().filter(|episode| !episode.announced)?;
            let pause = scope.announced.map_or(Duration::ZERO, |at| at + MINUTE);
            Some(pause.max(episode.began + ANNOUNCED_AFTER))
        });
        waiting.min()
    }
}

impl Scope {
    /// The episode that a waiter at that time belongs to: the open one, or a new one.
    fn at(&mut self, time: Duration) -> &mut Episode {
        let carried = &mut self.carried;
        let episode = self.current.get_or_insert_with(|| Episode {
            began: time,
            last_waiter: time,
            announced: false,
            tallies: std::mem::take(carried),
        });
        episode.last_waiter = episode.last_waiter.max(time);
        episode
    }

    fn end(&mut self, name: &str) -> Option<Report> {
        let mut episode = self.current.take()?;
        if episode.announced {
            return Some(episode.report(State::Cleared, name));
        }
        episode.tallies.earlier += 1;
        self.carried = episode.tallies;
        None
    }
}

impl Episode {
    fn report(&self, state: State, scope: &str) -> Report {
        let tallies = &self.tallies;
        let mut programs: Vec<&Tally> = tallies.programs.values().collect();
        programs.sort_by_key(|tally| (std::cmp::Reverse(tally.attempts), tally.program.pid));
        Report {
            state,
            scope: scope.to_owned(),
            programs_in_all: programs.len() + usize::from(tallies.untracked),
            programs: programs.into_iter().take(LISTED).cloned().collect(),
            attempts: tallies.attempts,
            earlier: tallies.earlier,
            audited: tallies.audited,
            scope_ended: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host that is looked at each second, as the daemon does.
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
                destination: ([198, 18, 0, 7], port).into(),
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
}
