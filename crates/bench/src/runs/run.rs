use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::dial::{Outcome, Report};
use testkit::workload::{DialerPlan, Pace, Peer, Stream, Workload};
use testkit::{Captured, Kind, Segment, Spread};

use crate::runs::saw::Saw;

/// What was recorded of it.
pub(crate) struct Recorded<'a> {
    /// Time zero, by the wall clock since the Unix epoch.
    pub zero: Duration,
    /// Of each dialer.
    pub reports: &'a [Vec<Report>],
    pub captured: &'a Captured,
    /// Packets that the WAN had no room for.
    pub overrun: u64,
    /// What the limiter says at the end.
    pub status: Value,
    /// From one round to the next, of a workload that had rounds before they were written out.
    pub interval: Option<Duration>,
}

/// One workload with one limiter.
#[derive(Clone, Debug)]
pub struct Run {
    /// The workload's name.
    pub workload: String,
    /// The limiter's.
    pub limiter: String,
    seed: u64,
    /// Distinct dead addresses of which a SYN was on the wire.
    pub dead_reached: usize,
    /// SYNs on the wire, repeated ones too.
    pub syns: usize,
    /// The dials to live hosts, by who made them.
    pub groups: BTreeMap<Who, Group>,
    /// When a dead address was first reached or a live one first answered: how many had been by then.
    pub curve: Vec<Point>,
    /// When the dials of a list that threads or children work off had all ended, if they had.
    pub list_ended: Option<Duration>,
    /// Of a program that wants so many peers.
    pub peers: Option<Peers>,
    /// How many targets were up in each round, of a program that dials in rounds.
    pub up_in_rounds: Vec<usize>,
    /// What the dialling programs saw, of all dials.
    pub saw: Saw,
    /// What makes the numbers doubtful.
    pub faults: Vec<String>,
    status: Value,
}

/// What became of a program that collects peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers {
    /// How many it wants.
    pub wanted: usize,
    /// When it had them, since time zero; `None` if it never did.
    pub had_at: Option<Duration>,
}

/// Whose dials, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The dialer's cgroup.
    pub cgroup: &'static str,
    /// Whether it had met them.
    pub peer: Peer,
}

/// Dials to live hosts.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// How many were begun.
    pub begun: usize,
    /// When they were connected, since time zero, in order.
    pub connected_at: Vec<Duration>,
    /// How long those took.
    pub waits: Vec<Duration>,
    /// How many ended otherwise.
    pub failed: usize,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Since time zero.
    pub at: Duration,
    /// Distinct dead addresses reached by then.
    pub dead_reached: usize,
    /// Distinct live ones that had answered by then.
    pub live_answered: usize,
}

impl Who {
    /// As tables show it.
    #[must_use]
    pub fn shown(self) -> String {
        let peer = match self.peer {
            Peer::Known => "known",
            Peer::Stranger => "strangers",
            Peer::Dead => "dead",
            Peer::Target => "targets",
        };
        format!("{}, {peer}", self.cgroup)
    }
}

impl Group {
    /// How many had neither connected nor failed at the end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.begun.saturating_sub(self.waits.len() + self.failed)
    }

    /// The median of how long a dial took to connect, in seconds, where one that did not took forever.
    #[must_use]
    pub fn median_wait_of_all(&self) -> f64 {
        let never = self.begun.saturating_sub(self.waits.len());
        let waits = self.waits.iter().map(Duration::as_secs_f64);
        Spread::of(waits.chain(std::iter::repeat_n(f64::INFINITY, never))).median()
    }

    /// Waits in milliseconds.
    pub fn waits_ms(waits: impl IntoIterator<Item = Duration>) -> Spread {
        Spread::of(waits.into_iter().map(|wait| wait.as_secs_f64() * 1e3))
    }

    /// When this share of those begun was connected.
    #[must_use]
    pub fn connected_by(&self, share: f64) -> Option<Duration> {
        #[allow(clippy::cast_sign_loss, reason = "neither factor is negative")]
        let count = (self.begun as f64 * share).ceil() as usize;
        self.connected_at.get(count.checked_sub(1)?).copied()
    }

    fn add(&mut self, zero: Duration, report: &Report) {
        if report.outcome == Outcome::Connected {
            self.waits.push(report.waited());
            self.connected_at.push((report.started() + report.waited()).saturating_sub(zero));
        } else {
            self.failed += 1;
        }
    }
}

impl Run {
    pub(crate) fn of(workload: &Workload, limiter: &str, seed: u64, recorded: Recorded) -> Self {
        let Recorded { zero, reports, captured, overrun, status, interval } = recorded;
        let end = zero + workload.run_for;
        let within = captured.segments.iter().filter(|segment| (zero..=end).contains(&segment.at));
        let syns = within.clone().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
        let answers = within.filter(|segment| segment.kind == Kind::SynAck);
        let since_zero = |segment: &Segment| segment.at.saturating_sub(zero);
        let dead_reached = firsts(workload.dead(), syns.clone().map(|syn| (since_zero(syn), syn.to.ip())));
        let answers = answers.map(|answer| (since_zero(answer), answer.from.ip()));
        let live_answered = firsts(workload.live(), answers);
        let mut groups = BTreeMap::new();
        let (mut list_ended, mut saw, mut up_in_rounds) = (None, Saw::default(), Vec::new());
        for (dialer, reports) in workload.dialers.iter().zip(reports) {
            // What ended after the end is an accident of when the dialer was stopped.
            let in_time = reports.iter().filter(|report| report.started() + report.waited() <= end);
            let in_time: Vec<_> = in_time.copied().collect();
            count(dialer, &in_time, zero, workload.run_for, &mut groups);
            for (number, stream) in dialer.streams.iter().enumerate() {
                let ended = of_stream(&in_time, number).inspect(|report| saw.add(report.outcome)).count();
                let begun = begun(stream, of_stream(&in_time, number), workload.run_for);
                saw.waiting += begun.saturating_sub(ended);
            }
            up_in_rounds.extend(interval.map(|every| up(dialer, &in_time, every)).unwrap_or_default());
            list_ended = list_ended.max(when_list_ended(dialer, &in_time, zero));
        }
        for group in groups.values_mut() {
            group.connected_at.sort_unstable();
        }
        let peers = workload.wanted().map(|wanted| {
            let connected = groups.values().flat_map(|group| &group.connected_at);
            let mut connected: Vec<_> = connected.copied().collect();
            connected.sort_unstable();
            let had_at = wanted.checked_sub(1).and_then(|last| connected.get(last).copied());
            Peers { wanted, had_at }
        });
        let mut faults = Vec::new();
        if captured.lost > 0 {
            faults.push(format!("{} packets missing in the recording", captured.lost));
        }
        if overrun > 0 {
            faults.push(format!("{overrun} packets dropped by an overrun WAN"));
        }
        Self {
            workload: workload.name.clone(),
            limiter: limiter.to_owned(),
            seed,
            dead_reached: dead_reached.len(),
            syns: syns.count(),
            curve: curve(&dead_reached, &live_answered),
            groups,
            list_ended,
            peers,
            up_in_rounds,
            saw,
            faults,
            status,
        }
    }

    /// For those who wait for the rest.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{} with {}: {} dead reached", self.workload, self.limiter, self.dead_reached);
        if let Some(Peers { wanted, had_at }) = self.peers {
            let _ = match had_at {
                Some(at) => write!(line, "; {wanted} peers after {:.1} s", at.as_secs_f64()),
                None => write!(line, "; {wanted} peers never"),
            };
        }
        if !self.up_in_rounds.is_empty() {
            let _ = write!(line, "; up in rounds {:?}", self.up_in_rounds);
        }
        for (who, group) in &self.groups {
            let _ = write!(line, "; {}: {} of {} live", who.shown(), group.waits.len(), group.begun);
        }
        line
    }

    /// All of it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups = self.groups.iter().map(|(who, group)| {
            json!({
                "cgroup": who.cgroup, "peer": format!("{:?}", who.peer).to_lowercase(), "begun": group.begun,
                "connected": group.waits.len(), "failed": group.failed, "waiting": group.waiting(),
                "wait_ms": Group::waits_ms(group.waits.iter().copied()).to_json(),
                "connected_99_percent_s": group.connected_by(0.99).as_ref().map(Duration::as_secs_f64),
                "connected_all_s": group.connected_by(1.0).as_ref().map(Duration::as_secs_f64),
            })
        });
        let peers = self.peers.map(|peers| {
            json!({ "wanted": peers.wanted, "had_s": peers.had_at.as_ref().map(Duration::as_secs_f64) })
        });
        let curve = self
            .curve
            .iter()
            .map(|point| json!([point.at.as_secs_f64(), point.dead_reached, point.live_answered]));
        json!({
            "workload": self.workload, "limiter": self.limiter, "seed": self.seed,
            "dead_reached": self.dead_reached, "syns": self.syns, "live": groups.collect::<Vec<_>>(),
            "peers": peers, "up_in_rounds": self.up_in_rounds,
            "list_ended_s": self.list_ended.as_ref().map(Duration::as_secs_f64), "saw": self.saw.ended, "saw_waiting": self.saw.waiting, "faults": self.faults,
            "curve_s_dead_live": curve.collect::<Vec<_>>(), "status": self.status,
        })
    }
}

/// The distinct addresses of one kind seen in a recording: when each was so first, since time zero and in order.
fn firsts(
    addresses: impl IntoIterator<Item = Ipv4Addr>,
    seen: impl Iterator<Item = (Duration, IpAddr)>,
) -> Vec<Duration> {
    let mut left: BTreeSet<_> = addresses.into_iter().map(IpAddr::V4).collect();
    seen.filter(|(_, address)| left.remove(address)).map(|(at, _)| at).collect()
}

fn of_stream(reports: &[Report], number: usize) -> impl Iterator<Item = &Report> + Clone {
    // The first task is the meeting.
    reports.iter().filter(move |report| report.task == number + 1)
}

fn count(
    dialer: &DialerPlan,
    reports: &[Report],
    zero: Duration,
    run_for: Duration,
    groups: &mut BTreeMap<Who, Group>,
) {
    for (number, stream) in dialer.streams.iter().enumerate() {
        let who = |peer| Who { cgroup: dialer.cgroup, peer };
        for dial in &stream.dials[..begun(stream, of_stream(reports, number), run_for)] {
            if dial.peer.is_live() {
                groups.entry(who(dial.peer)).or_default().begun += 1;
            }
        }
        for report in of_stream(reports, number) {
            let peer = stream.dials[report.index].peer;
            if peer.is_live() {
                groups.entry(who(peer)).or_default().add(zero, report);
            }
        }
    }
}

/// How many of the stream's dials began, as far as their ends or times tell.
fn begun<'a>(stream: &Stream, reports: impl Iterator<Item = &'a Report>, run_for: Duration) -> usize {
    match &stream.pace {
        Pace::AtOnce => stream.dials.len(),
        Pace::At(times) => times.iter().filter(|time| **time < run_for).count(),
        Pace::Threads(_) | Pace::Forks { .. } | Pace::Collect { .. } | Pace::Rounds { .. } => {
            reports.map(|report| report.index + 1).max().unwrap_or(0)
        }
    }
}

/// How many dials of each round connected: a dial that was due in the interval of a round belongs to it.
fn up(dialer: &DialerPlan, reports: &[Report], interval: Duration) -> Vec<usize> {
    let mut up = Vec::new();
    for (number, stream) in dialer.streams.iter().enumerate() {
        let Pace::At(times) = &stream.pace else { continue };
        let connected = of_stream(reports, number).filter(|report| report.outcome == Outcome::Connected);
        for report in connected {
            let round = (times[report.index].as_nanos() / interval.as_nanos()) as usize;
            up.resize(up.len().max(round + 1), 0);
            up[round] += 1;
        }
    }
    up
}

fn when_list_ended(dialer: &DialerPlan, reports: &[Report], zero: Duration) -> Option<Duration> {
    let lists = dialer.streams.iter().enumerate();
    let lists = lists.filter(|(_, stream)| matches!(stream.pace, Pace::Threads(_) | Pace::Forks { .. }));
    let ends = lists.map(|(number, stream)| {
        let ended = of_stream(reports, number).count() == stream.dials.len();
        let last = of_stream(reports, number).map(|report| report.started() + report.waited()).max();
        last.filter(|_| ended).map(|last| last.saturating_sub(zero))
    });
    ends.flatten().max()
}

fn curve(dead_reached: &[Duration], live_answered: &[Duration]) -> Vec<Point> {
    let live = live_answered.iter().map(|at| (*at, true));
    let mut turns: Vec<_> = dead_reached.iter().map(|at| (*at, false)).chain(live).collect();
    turns.sort_unstable();
    let (mut dead_reached, mut live_answered) = (0, 0);
    let points = turns.into_iter().map(|(at, live)| {
        if live {
            live_answered += 1;
        } else {
            dead_reached += 1;
        }
        Point { at, dead_reached, live_answered }
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_not_connect_waits_forever_in_the_median_of_all() {
        let group = |begun, waits: &[u64]| {
            let waits = waits.iter().copied().map(Duration::from_secs).collect();
            Group { begun, waits, ..Group::default() }.median_wait_of_all()
        };
        assert_eq!(group(3, &[2, 1]).to_bits(), 2.0_f64.to_bits());
        assert!(group(3, &[1]).is_infinite());
        assert!(group(0, &[]).is_nan());
    }
}
