//! What a recording must show of a limiter, judged without any knowledge of how it works.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{Kind, Segment};

/// An attempt that ended without an answer on the wire: closed, killed or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, by the wall clock since the Unix epoch.
    pub at: Duration,
    /// The client's address.
    pub from: SocketAddr,
    /// The address asked.
    pub to: SocketAddr,
}

/// An attempt as seen on the wire: the SYNs from one address to another until an answer or an [`End`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The client's address.
    pub from: SocketAddr,
    /// The address asked.
    pub to: SocketAddr,
    /// When its SYNs went out, in order, at least one.
    pub syns: Vec<Duration>,
    /// When it was answered or ended.
    pub ended: Option<Duration>,
}

/// What DESIGN calls the invariant: at no instant have more than `half_open` live attempts sent a SYN within the last
/// `slot_life` without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// How many attempts may be half-open at once.
    pub half_open: usize,
    /// How long a SYN counts.
    pub slot_life: Duration,
    /// How much earlier than `slot_life` a SYN may cease to count: a limiter reads its clock before the packet is
    /// recorded.
    pub tolerance: Duration,
}

/// The instant at which most attempts were half-open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// How many were.
    pub half_open: usize,
    /// The first such instant.
    pub at: Duration,
    /// Which were, by the client's address.
    pub attempts: Vec<HalfOpen>,
}

/// An attempt that was half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HalfOpen {
    /// The client's address.
    pub from: SocketAddr,
    /// The address asked.
    pub to: SocketAddr,
    /// How long before its last SYN had left.
    pub since_syn: Duration,
}

impl fmt::Display for HalfOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{} ({:.1} ms after its SYN)", self.from, self.to, self.since_syn.as_secs_f64() * 1e3)
    }
}

/// More attempts were half-open than may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// How many may be.
    pub limit: usize,
    /// When most were.
    pub peak: Peak,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Peak { half_open, at, attempts } = &self.peak;
        write!(f, "{half_open} attempts half-open at {:.6} s, {} allowed:", at.as_secs_f64(), self.limit)?;
        attempts.iter().take(20).try_for_each(|attempt| write!(f, " {attempt}"))?;
        if attempts.len() > 20 { write!(f, " and {} more", attempts.len() - 20) } else { Ok(()) }
    }
}

/// Puts the packets of a recording together to attempts, in the order of their first SYN.
///
/// An ICMP error ends an attempt only if no repeated SYN follows: the kernel does not act on one that arrives while
/// the program is still inside connect(), and the attempt goes on.
#[must_use]
pub fn attempts(segments: &[Segment], ends: &[End]) -> Vec<Attempt> {
    let mut seen: Vec<(Duration, Seen, SocketAddr, SocketAddr)> = segments
        .iter()
        .filter_map(|Segment { at, kind, from, to }| match kind {
            Kind::Syn(sequence) => Some((*at, Seen::Syn(*sequence), *from, *to)),
            Kind::SynAck | Kind::Reset => Some((*at, Seen::End, *to, *from)),
            Kind::Unreachable => Some((*at, Seen::Error, *to, *from)),
            Kind::Later(_) => None,
        })
        .chain(ends.iter().map(|end| (end.at, Seen::End, end.from, end.to)))
        .collect();
    seen.sort_by_key(|(at, ..)| *at);
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut open: HashMap<(SocketAddr, SocketAddr), (usize, u32)> = HashMap::new();
    for (at, seen, from, to) in seen {
        match seen {
            Seen::Syn(sequence) => match open.get(&(from, to)) {
                Some((index, first)) if attempts[*index].ended.is_none() || *first == sequence => {
                    attempts[*index].syns.push(at);
                    attempts[*index].ended = None;
                }
                _ => {
                    open.insert((from, to), (attempts.len(), sequence));
                    attempts.push(Attempt { from, to, syns: vec![at], ended: None });
                }
            },
            Seen::Error => {
                if let Some((index, _)) = open.get(&(from, to)) {
                    attempts[*index].ended.get_or_insert(at);
                }
            }
            // Turned round: the client itself reset the connection.
            Seen::End => {
                if let Some((index, _)) = open.remove(&(from, to)).or_else(|| open.remove(&(to, from))) {
                    attempts[index].ended.get_or_insert(at);
                }
            }
        }
    }
    attempts
}

enum Seen {
    Syn(u32),
    End,
    Error,
}

impl Attempt {
    fn at(&self, instant: Duration) -> HalfOpen {
        let before = self.syns.iter().rev().find(|syn| **syn <= instant);
        let since_syn = before.map_or(Duration::ZERO, |syn| instant.saturating_sub(*syn));
        HalfOpen { from: self.from, to: self.to, since_syn }
    }

    /// When it was half-open: from each SYN on for `slot_life`, or until its end; overlapping times joined.
    fn half_open(&self, slot_life: Duration) -> Vec<(Duration, Duration)> {
        let mut spans: Vec<(Duration, Duration)> = Vec::new();
        for syn in &self.syns {
            let until = (*syn + slot_life).min(self.ended.unwrap_or(Duration::MAX));
            match spans.last_mut() {
                Some((_, last)) if *syn <= *last => *last = until,
                _ if until > *syn => spans.push((*syn, until)),
                // Answered within the clock's resolution.
                _ => {}
            }
        }
        spans
    }
}

/// The instant at which most attempts were half-open.
#[must_use]
pub fn peak(attempts: &[Attempt], slot_life: Duration) -> Peak {
    // Sorted so that at one instant slots are given back before others are taken.
    let mut turns: Vec<(Duration, bool, usize)> = Vec::new();
    for (index, attempt) in attempts.iter().enumerate() {
        for (from, until) in attempt.half_open(slot_life) {
            turns.extend([(from, true, index), (until, false, index)]);
        }
    }
    turns.sort_unstable();
    let mut now = HashSet::new();
    let mut peak = Peak::default();
    let mut at_peak = Vec::new();
    for (at, taken, index) in turns {
        if !taken {
            now.remove(&index);
        } else if now.insert(index) && now.len() > peak.half_open {
            (peak.half_open, peak.at) = (now.len(), at);
            at_peak = now.iter().copied().collect();
        }
    }
    peak.attempts = at_peak.into_iter().map(|index| attempts[index].at(peak.at)).collect();
    peak.attempts.sort_unstable();
    peak
}

impl Invariant {
    /// Judges the attempts of a recording; the peak, for a test that the limit was reached at all.
    ///
    /// # Errors
    /// When at some instant more were half-open than may be.
    pub fn check(&self, attempts: &[Attempt]) -> Result<Peak, Violation> {
        let peak = peak(attempts, self.slot_life.saturating_sub(self.tolerance));
        if peak.half_open > self.half_open {
            Err(Violation { limit: self.half_open, peak })
        } else {
            Ok(peak)
        }
    }
}

/// The addresses asked, each once.
#[must_use]
pub fn destinations(attempts: &[Attempt]) -> HashSet<SocketAddr> {
    attempts.iter().map(|attempt| attempt.to).collect()
}

/// When each attempt's first SYN went out, in order: the admissions and releases.
#[must_use]
pub fn releases(attempts: &[Attempt]) -> Vec<Duration> {
    let mut first: Vec<_> = attempts.iter().map(|attempt| attempt.syns[0]).collect();
    first.sort_unstable();
    first
}

/// How many of `releases` fall into each `window` of time from `start` on, up to the last that holds one.
///
/// # Panics
/// If `window` is zero.
#[must_use]
pub fn releases_per_window(releases: &[Duration], start: Duration, window: Duration) -> Vec<usize> {
    let mut counts = Vec::new();
    for at in releases.iter().filter_map(|at| at.checked_sub(start)) {
        let index = (at.as_nanos() / window.as_nanos()) as usize;
        counts.resize(counts.len().max(index + 1), 0);
        counts[index] += 1;
    }
    counts
}

/// Two consecutive SYNs of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The time between them.
    pub length: Duration,
    /// When the second went out.
    pub at: Duration,
    /// The client's address.
    pub from: SocketAddr,
    /// The address asked.
    pub to: SocketAddr,
}

/// The shortest time between two SYNs of one attempt; `None` if none sent two.
#[must_use]
pub fn least_gap(attempts: &[Attempt]) -> Option<Gap> {
    let gaps = attempts.iter().flat_map(|attempt| {
        attempt.syns.windows(2).map(|pair| Gap {
            length: pair[1].saturating_sub(pair[0]),
            at: pair[1],
            from: attempt.from,
            to: attempt.to,
        })
    });
    gaps.min_by_key(|gap| gap.length)
}

#[cfg(test)]
mod tests;
