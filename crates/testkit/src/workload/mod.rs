//! The workloads that limiters are compared by, as data: who dials what, in which order and when. They are carried out
//! on the running kernel by the lab and on a virtual clock by the policy's own tests, from the same definitions.
//!
//! A [`Workload`] is drawn by a seed, which repeats it. All its addresses are different ones, drawn at random, so that
//! neither address nor order tells whether one is live. [`NAMES`] lists those that are compared, [`PEERS`] those of
//! honest programs of whose peers some are dead, [`SCANS`] those of scanners of whose addresses some answer; [`named`]
//! draws one.
//!
//! To carry one out: have each [`DialerPlan`] connect to the addresses it `meets`, one after the other, and close each
//! connection; wait [`MET_BEFORE`]. That is time zero. From then on each dialer, one process in its cgroup, works off
//! all its streams side by side until [`Workload::run_for`] is over or all dials have ended. A dial that is
//! established is closed at once.

mod catalogue;
mod draw;
mod gathering;
mod mail;
mod monitoring;
mod probing;
mod scanners;
mod storms;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

pub use catalogue::{NAMES, PEERS, SCANS, named};
pub use draw::{Ports, Prefix};
pub use gathering::{Start, bitcoin_day, start, swarm};
pub use mail::mail;
pub use monitoring::{Placement, health_checks, scrapes};
pub use probing::{Probe, dense_network, probe, sasser, two_ports};
pub use scanners::{PATIENCE, THREADS, company, farmer, forker, scanner, slow_scanner};
pub use storms::{Order, crowd, half_dead, storm};

/// How long before time zero the known addresses were met.
pub const MET_BEFORE: Duration = Duration::from_secs(10);
/// The port that is dialled where none in particular is meant.
pub const PORT: u16 = 80;
/// The cgroup of the dialer that makes the workload what it is.
pub const VICTIM: &str = "victim";
/// The cgroup of one that only happens to run on the same host.
pub const INNOCENT: &str = "innocent";

/// What some processes dial, beginning at time zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What to ask for it by.
    pub name: String,
    /// Each is a process of its own.
    pub dialers: Vec<DialerPlan>,
    /// Those of the addresses that a DNS answer has named to the host before time zero.
    pub named: BTreeSet<Ipv4Addr>,
    /// How long a live peer's answer takes. Zero is a wire: as soon as the kernel can.
    pub round_trip: Duration,
    /// When it ends at the latest, counted from time zero.
    pub run_for: Duration,
}

/// A process that dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialerPlan {
    /// The name of its cgroup, [`VICTIM`] or [`INNOCENT`]: siblings, and at depth 2 below the root of the cgroup tree,
    /// as services and containers are.
    pub cgroup: &'static str,
    /// Live addresses it connects to before time zero, on [`PORT`].
    pub meets: Vec<Ipv4Addr>,
    /// What it works off from time zero on, all side by side.
    pub streams: Vec<Stream>,
}

/// Dials that share a pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where to, in this order; each once, but with [`Pace::Rounds`] once in each round.
    pub dials: Vec<Dial>,
    /// When each dial begins.
    pub pace: Pace,
    /// Each dial is given up (its socket closed) after this time; without it, when the kernel gives up.
    pub patience: Option<Duration>,
}

/// One connect().
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dial {
    /// The address.
    pub to: Ipv4Addr,
    /// The port. A live peer answers there.
    pub port: u16,
    /// Who is there.
    pub peer: Peer,
}

/// Who is at an address, seen by the one that dials it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Nobody: a SYN is never answered.
    Dead,
    /// Live, and met by this dialer before time zero.
    Known,
    /// Live, and never met by this dialer; dialled once.
    Stranger,
    /// Live, never met before time zero, and dialled again in each round.
    Target,
}

/// When the dials of a [`Stream`] begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All at time zero, in order, as fast as one thread can with non-blocking sockets.
    AtOnce,
    /// So many threads, each taking the next dial when its last has ended.
    Threads(usize),
    /// Each at its own time after time zero, whatever became of those before it: as many times as dials, ascending.
    At(Vec<Duration>),
    /// The process forks. Each child takes the next `dials` (the last one what is left), begins them all at once and
    /// ends when all have ended; `children` are at work at a time. Each lives in a new cgroup below its parent's, which
    /// stays when it ends.
    Forks {
        /// How many dials each child takes.
        dials: usize,
        /// How many children are at work at a time.
        children: usize,
    },
    /// A program that collects peers: from time zero on it dials the next address each `every`, unless `at_a_time` dials
    /// are under way, until `wanted` have been established. Those under way then are left to their patience.
    Collect {
        /// From one dial to the next.
        every: Duration,
        /// How many dials may be under way; without it, any number.
        at_a_time: Option<usize>,
        /// How many peers it wants; without it, all it can get.
        wanted: Option<usize>,
    },
    /// Each is dialled in each round, whatever became of it in those before: in round k, counted from 0, at k times
    /// `every` and its phase after time zero, until the workload ends.
    Rounds {
        /// From one round to the next; longer than the stream's patience.
        every: Duration,
        /// As many as dials, each shorter than `every`.
        phases: Vec<Duration>,
    },
}

impl Peer {
    /// Whether it answers.
    #[must_use]
    pub fn is_live(self) -> bool {
        self != Self::Dead
    }
}

impl Stream {
    /// The same dials until then, where rounds are written out: each dial of each round has its own place and time.
    #[must_use]
    pub fn unrolled(&self, until: Duration) -> Self {
        let Pace::Rounds { every, phases } = &self.pace else { return self.clone() };
        let rounds = until.as_nanos().div_ceil(every.as_nanos()) as u32;
        let of_round = |round: u32| {
            self.dials.iter().zip(phases).map(move |(dial, phase)| (*every * round + *phase, *dial))
        };
        let mut due: Vec<_> = (0..rounds).flat_map(of_round).filter(|(at, _)| *at < until).collect();
        due.sort_by_key(|(at, _)| *at);
        let (times, dials) = due.into_iter().unzip();
        Self { dials, pace: Pace::At(times), patience: self.patience }
    }
}

impl Workload {
    /// The same where the rounds of all streams are written out, see [`Stream::unrolled`].
    #[must_use]
    pub fn unrolled(&self) -> Self {
        let mut workload = self.clone();
        for stream in workload.dialers.iter_mut().flat_map(|dialer| &mut dialer.streams) {
            *stream = stream.unrolled(self.run_for);
        }
        workload
    }

    /// All dials, with the cgroup of the dialer; those before time zero are not among them.
    pub fn dials(&self) -> impl Iterator<Item = (&'static str, Dial)> + '_ {
        self.dialers.iter().flat_map(|dialer| {
            dialer.streams.iter().flat_map(|stream| stream.dials.iter().map(|dial| (dialer.cgroup, *dial)))
        })
    }

    fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.dialers.iter().flat_map(|dialer| &dialer.streams)
    }

    /// How many peers its collector wants.
    #[must_use]
    pub fn wanted(&self) -> Option<usize> {
        self.streams().find_map(|stream| match stream.pace {
            Pace::Collect { wanted, .. } => wanted,
            _ => None,
        })
    }

    /// From one round to the next.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.streams().find_map(|stream| match stream.pace {
            Pace::Rounds { every, .. } => Some(every),
            _ => None,
        })
    }

    /// The addresses that answer.
    #[must_use]
    pub fn live(&self) -> BTreeSet<Ipv4Addr> {
        let dialled = self.dials().filter(|(_, dial)| dial.peer.is_live()).map(|(_, dial)| dial.to);
        dialled.chain(self.dialers.iter().flat_map(|dialer| dialer.meets.iter().copied())).collect()
    }

    /// The addresses that do not.
    #[must_use]
    pub fn dead(&self) -> BTreeSet<Ipv4Addr> {
        self.dials().filter(|(_, dial)| !dial.peer.is_live()).map(|(_, dial)| dial.to).collect()
    }

    /// The same with a second dialer in the cgroup [`INNOCENT`], named `d-` and the name: from 5 s on it dials 20 live
    /// addresses it has never met, one a second on average.
    #[must_use]
    pub fn with_innocent(mut self, seed: u64) -> Self {
        const DIALS: usize = 20;
        // Another seed than the workload's own: the same would first draw all that is taken already.
        let mut draw = draw::Draw::beside(!seed, &self);
        let dials = draw.dials(Peer::Stranger, DIALS);
        let pace = Pace::At(draw.poisson(DIALS, Duration::from_secs(5), Duration::from_secs(1)));
        let streams = vec![Stream { dials, pace, patience: None }];
        self.dialers.push(DialerPlan { cgroup: INNOCENT, meets: Vec::new(), streams });
        self.name = format!("d-{}", self.name);
        self
    }
}
