//! Carries a workload out on a simulated host.

use crate::limiter::Limiter;
use crate::outcome::{Connected, Outcome};
use halfopen_policy::Ending;
use halfopen_sim::host::{self, Event, Host, Number, Reply, Stack, Told};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use testkit::workload::{Dial, MET_BEFORE, PORT, Pace, Peer, Stream, Workload};

/// From one connect() of a thread to its next.
const CONNECT: u64 = 15_000;

/// One stream at work.
struct Job<'a> {
    cgroup: &'static str,
    stream: &'a Stream,
    next: usize,
    established: usize,
    workers: Vec<Worker>,
}

#[derive(Clone, Default)]
struct Worker {
    /// Dials that it will begin before it waits for all.
    to_begin: usize,
    under_way: usize,
    /// Of its target.
    rounds_begun: u32,
}

/// A dial under way.
struct UnderWay {
    job: usize,
    worker: usize,
    round: u32,
    dial: Dial,
}

/// The caller's number of an event: a worker of a job begins its next dial.
fn next_dial(job: usize, worker: usize) -> Event {
    Event::Caller((job as u64) << 32 | worker as u64)
}

impl Job<'_> {
    /// How many dials a worker takes at a time.
    fn share(&self) -> usize {
        match self.stream.pace {
            Pace::AtOnce => self.stream.dials.len(),
            Pace::Threads(_) | Pace::At(_) | Pace::Collect { .. } | Pace::Rounds { .. } => 1,
            Pace::Forks { dials, .. } => dials,
        }
    }

    fn goes_on(&self) -> bool {
        matches!(self.stream.pace, Pace::Threads(_) | Pace::Forks { .. })
    }

    /// Whether it has no use for more peers.
    fn is_content(&self) -> bool {
        matches!(self.stream.pace, Pace::Collect { wanted: Some(wanted), .. } if self.established >= wanted)
    }

    /// Whether it begins no dial any more.
    fn is_through(&self) -> bool {
        self.next == self.stream.dials.len() || self.is_content()
    }
}

struct Run<'a> {
    host: Host,
    jobs: Vec<Job<'a>>,
    /// Whose dial it is.
    dials: HashMap<Number, UnderWay>,
    zero: u64,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn start(&mut self, cgroup: &'static str, stream: &'a Stream) {
        let job = self.jobs.len();
        let one_by_one = |workers: usize| (0..workers as u64).map(|worker| worker * CONNECT).collect();
        let begins: Vec<u64> = match &stream.pace {
            Pace::AtOnce | Pace::Collect { .. } => vec![0],
            Pace::Threads(workers) | Pace::Forks { children: workers, .. } => one_by_one(*workers),
            Pace::At(times) | Pace::Rounds { phases: times, .. } => {
                times.iter().map(|time| time.as_nanos() as u64).collect()
            }
        };
        let workers = vec![Worker::default(); begins.len()];
        self.jobs.push(Job { cgroup, stream, next: 0, established: 0, workers });
        for (worker, after) in begins.into_iter().enumerate() {
            self.host.plan(self.host.now + after, next_dial(job, worker));
        }
    }

    fn begin(&mut self, number: usize, at: usize) {
        match self.jobs[number].stream.pace {
            Pace::Collect { every, at_a_time, .. } => self.collect(number, every, at_a_time),
            Pace::Rounds { every, .. } => self.begin_round(number, at, every),
            Pace::AtOnce | Pace::Threads(_) | Pace::At(_) | Pace::Forks { .. } => self.begin_next(number, at),
        }
    }

    fn begin_next(&mut self, number: usize, at: usize) {
        let job = &mut self.jobs[number];
        let Some(dial) = job.stream.dials.get(job.next).copied() else { return };
        job.next += 1;
        let share = job.share();
        let worker = &mut job.workers[at];
        worker.to_begin = if worker.to_begin == 0 { share } else { worker.to_begin } - 1;
        if worker.to_begin > 0 {
            self.host.plan(self.host.now + CONNECT, next_dial(number, at));
        }
        self.dial(number, at, 0, dial);
    }

    fn collect(&mut self, number: usize, every: Duration, at_a_time: Option<usize>) {
        let job = &self.jobs[number];
        if job.is_through() {
            return;
        }
        let room = at_a_time.is_none_or(|most| job.workers[0].under_way < most);
        self.host.plan(self.host.now + every.as_nanos() as u64, next_dial(number, 0));
        if room {
            self.begin_next(number, 0);
        }
    }

    fn begin_round(&mut self, number: usize, target: usize, every: Duration) {
        let job = &mut self.jobs[number];
        let dial = job.stream.dials[target];
        let round = job.workers[target].rounds_begun;
        job.workers[target].rounds_begun += 1;
        self.host.plan(self.host.now + every.as_nanos() as u64, next_dial(number, target));
        self.dial(number, target, round, dial);
    }

    fn dial(&mut self, job: usize, worker: usize, round: u32, dial: Dial) {
        let job_of = &mut self.jobs[job];
        job_of.workers[worker].under_way += 1;
        self.outcome.live_dialled += usize::from(dial.peer.is_live());
        let reply = if dial.peer.is_live() { Reply::Answer } else { Reply::Silence };
        let of_host = host::Dial { to: dial.to, port: dial.port, reply };
        let under_way = self.host.connect(job_of.cgroup, of_host, job_of.stream.patience);
        self.dials.insert(under_way, UnderWay { job, worker, round, dial });
    }

    fn since_zero(&self) -> Duration {
        Duration::from_nanos(self.host.now.saturating_sub(self.zero))
    }

    fn hear(&mut self) {
        for told in std::mem::take(&mut self.host.told) {
            match told {
                Told::Reached(number) => {
                    if let Some(under_way) = self.dials.get(&number) {
                        self.outcome.reach(under_way.dial, self.since_zero());
                    }
                }
                Told::Ended(number, ending, took) => {
                    self.ended(number, ending == Ending::Established, took);
                }
            }
        }
    }

    fn ended(&mut self, number: Number, established: bool, took: Duration) {
        let Some(UnderWay { job, worker, round, dial }) = self.dials.remove(&number) else { return };
        if established {
            self.jobs[job].established += 1;
            self.outcome.connected.push(Connected {
                cgroup: self.jobs[job].cgroup,
                to: dial.to,
                peer: dial.peer,
                round,
                at: self.since_zero(),
                took,
                dead_before: self.outcome.dead(),
            });
        }
        let job_of = &mut self.jobs[job];
        let (goes_on, left) = (job_of.goes_on(), job_of.stream.dials.len() - job_of.next);
        let worker_of = &mut job_of.workers[worker];
        worker_of.under_way -= 1;
        if worker_of.under_way == 0 && worker_of.to_begin == 0 && goes_on && left > 0 {
            self.host.plan(self.host.now + CONNECT, next_dial(job, worker));
        }
    }

    fn is_over(&self) -> bool {
        self.dials.is_empty() && self.jobs.iter().all(Job::is_through)
    }

    /// Until all dials have ended, or so long.
    fn go_on(&mut self, until: u64) {
        while let Some(event) = self.host.step(until) {
            if let Event::Caller(number) = event {
                self.begin((number >> 32) as usize, number as u32 as usize);
            }
            self.hear();
            if self.outcome.suspect.is_none()
                && let Some(since) = self.host.suspect_since()
            {
                self.outcome.suspect = Some(Duration::from_nanos(since.saturating_sub(self.zero)));
            }
            if self.is_over() {
                self.outcome.over = Some(Duration::from_nanos(self.host.now - self.zero));
                return;
            }
        }
    }
}

/// What comes of a workload under a limiter.
pub fn run(workload: &Workload, limiter: &Limiter) -> Outcome {
    run_named(workload, limiter, HashSet::new())
}

/// The same where DNS answers have named these addresses too.
pub fn run_named(workload: &Workload, limiter: &Limiter, named: HashSet<Ipv4Addr>) -> Outcome {
    let meetings: Vec<_> = workload
        .dialers
        .iter()
        .map(|dialer| {
            let dials =
                dialer.meets.iter().map(|to| Dial { to: *to, port: PORT, peer: Peer::Known }).collect();
            (dialer.cgroup, Stream { dials, pace: Pace::Threads(1), patience: None })
        })
        .collect();
    let mut host = Host::new(limiter, workload.round_trip, Stack::Linux);
    host.named.extend(named);
    host.named.extend(&workload.named);
    let zero = host.now;
    let mut run = Run { host, jobs: Vec::new(), dials: HashMap::new(), zero, outcome: Outcome::default() };
    for (cgroup, stream) in meetings.iter().filter(|(_, stream)| !stream.dials.is_empty()) {
        run.start(cgroup, stream);
        run.go_on(u64::MAX);
    }
    run.zero = run.host.now + MET_BEFORE.as_nanos() as u64;
    run.host.now = run.zero;
    run.outcome = Outcome::of(workload);
    for dialer in &workload.dialers {
        for stream in &dialer.streams {
            run.start(dialer.cgroup, stream);
        }
    }
    run.go_on(run.zero + workload.run_for.as_nanos() as u64);
    run.outcome
}
