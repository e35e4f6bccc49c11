use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn client(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, 1], port))
}

fn host(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 18, 0, number], 80))
}

fn syn(at: u64, port: u16, to: u8) -> Segment {
    Segment { at: ms(at), kind: Kind::Syn(u32::from(port)), from: client(port), to: host(to) }
}

fn answer(at: u64, kind: Kind, port: u16, from: u8) -> Segment {
    Segment { at: ms(at), kind, from: host(from), to: client(port) }
}

fn check(half_open: usize, segments: &[Segment]) -> Result<Peak, Violation> {
    let invariant = Invariant { half_open, slot_life: ms(1000), tolerance: Duration::ZERO };
    invariant.check(&attempts(segments, &[]))
}

#[test]
fn a_slot_counts_until_it_is_aged_and_not_a_moment_longer() {
    assert_eq!(check(1, &[syn(0, 1, 1), syn(1000, 2, 2)]).unwrap().half_open, 1);
    let violation = check(1, &[syn(0, 1, 1), syn(999, 2, 2)]).unwrap_err();
    assert_eq!(violation.peak.at, ms(999));
    let half_open =
        |number, since| HalfOpen { from: client(number), to: host(number as u8), since_syn: ms(since) };
    assert_eq!(violation.peak.attempts, [half_open(1, 999), half_open(2, 0)]);
    assert!(
        violation.to_string().contains("10.77.0.1:1>198.18.0.1:80 (999.0 ms after its SYN)"),
        "{violation}"
    );
}

#[test]
fn every_answer_ends_an_attempt() {
    for kind in [Kind::SynAck, Kind::Reset, Kind::Unreachable] {
        let segments = [syn(0, 1, 1), answer(5, kind, 1, 1), syn(6, 2, 2)];
        assert_eq!(check(1, &segments).unwrap().half_open, 1, "{kind:?}");
    }
    let clients_own_reset = Segment { at: ms(5), kind: Kind::Reset, from: client(1), to: host(1) };
    assert!(check(1, &[syn(0, 1, 1), clients_own_reset, syn(6, 2, 2)]).is_ok());
    assert!(
        check(1, &[syn(0, 1, 1), answer(5, Kind::SynAck, 9, 1), syn(6, 2, 2)]).is_err(),
        "another's answer"
    );
}

#[test]
fn an_end_from_the_caller_counts_as_an_answer_does() {
    let segments = [syn(0, 1, 1), syn(6, 2, 2)];
    let end = |at| End { at: ms(at), from: client(1), to: host(1) };
    let invariant = Invariant { half_open: 1, slot_life: ms(1000), tolerance: Duration::ZERO };
    assert!(invariant.check(&attempts(&segments, &[end(6)])).is_ok());
    assert!(invariant.check(&attempts(&segments, &[end(7)])).is_err());
}

#[test]
fn a_repeated_syn_takes_the_slot_anew_and_no_second_one() {
    assert!(check(1, &[syn(0, 1, 1), syn(900, 1, 1), syn(1500, 2, 2)]).is_err());
    assert_eq!(check(1, &[syn(0, 1, 1), syn(500, 1, 1), syn(900, 1, 1)]).unwrap().half_open, 1);
}

#[test]
fn the_same_ports_after_an_answer_are_another_attempt() {
    let segments = [syn(0, 1, 1), answer(5, Kind::SynAck, 1, 1), syn(10, 1, 1)];
    let attempts = attempts(&segments, &[]);
    assert_eq!(attempts.len(), 2);
    assert_eq!((attempts[0].ended, attempts[1].ended), (Some(ms(5)), None));
    assert_eq!(least_gap(&attempts), None);
}

#[test]
fn an_icmp_error_after_which_the_same_syn_is_repeated_has_ended_nothing() {
    let ignored = [syn(0, 1, 1), answer(5, Kind::Unreachable, 1, 1), syn(6, 2, 2), syn(900, 1, 1)];
    assert_eq!(attempts(&ignored, &[]).len(), 2);
    assert!(check(1, &ignored).is_err());
    let mut another = ignored;
    another[3].kind = Kind::Syn(77);
    assert_eq!(attempts(&another, &[]).len(), 3);
}

#[test]
fn tolerance_forgives_just_so_much() {
    let attempts = attempts(&[syn(0, 1, 1), syn(995, 2, 2)], &[]);
    let check = |tolerance| {
        Invariant { half_open: 1, slot_life: ms(1000), tolerance: ms(tolerance) }.check(&attempts)
    };
    assert!(check(5).is_ok());
    assert!(check(4).is_err());
}

#[test]
fn gaps_releases_and_destinations_are_counted() {
    let segments = [syn(0, 1, 1), syn(1000, 1, 1), syn(1900, 1, 1), syn(100, 2, 1), syn(1200, 3, 2)];
    let attempts = attempts(&segments, &[]);
    let gap = least_gap(&attempts).unwrap();
    assert_eq!((gap.length, gap.at, gap.from), (ms(900), ms(1900), client(1)));
    assert_eq!(destinations(&attempts), HashSet::from([host(1), host(2)]));
    assert_eq!(releases(&attempts), [ms(0), ms(100), ms(1200)]);
    assert_eq!(releases_per_window(&releases(&attempts), ms(0), ms(500)), [2, 0, 1]);
    assert_eq!(releases_per_window(&releases(&attempts), ms(100), ms(500)), [1, 0, 1]);
}

/// The invariant's wording, instant by instant.
fn by_brute_force(segments: &[Segment], ends: &[End], slot_life: Duration) -> usize {
    let instants = (0..200).map(ms);
    let half_open_at = |now: Duration| {
        let attempts: HashSet<_> = segments
            .iter()
            .filter(|syn| matches!(syn.kind, Kind::Syn(_)) && syn.at <= now && now < syn.at + slot_life)
            .filter(|syn| {
                let answered = segments.iter().any(|answer| {
                    (!matches!(answer.kind, Kind::Syn(_)) && (answer.to, answer.from) == (syn.from, syn.to))
                        && (syn.at..=now).contains(&answer.at)
                });
                let ended = ends
                    .iter()
                    .any(|end| (end.from, end.to) == (syn.from, syn.to) && (syn.at..=now).contains(&end.at));
                !answered && !ended
            })
            .map(|syn| (syn.from, syn.to))
            .collect();
        attempts.len()
    };
    instants.map(half_open_at).max().unwrap_or(0)
}

#[test]
fn the_peak_is_that_of_an_instant_by_instant_count() {
    let mut random = StdRng::seed_from_u64(4226);
    let mut peaks = HashSet::new();
    for round in 0..2000 {
        let mut segments: Vec<Segment> = Vec::new();
        let mut ends = Vec::new();
        // Each instant is used once, since the order of two packets within one is not defined.
        for at in (0..100).filter(|_| random.random_bool(0.3)).collect::<Vec<_>>() {
            let (port, to) = (random.random_range(1..4), random.random_range(1..4));
            match random.random_range(0..8) {
                0 => segments.push(answer(at, Kind::SynAck, port, to)),
                1 => segments.push(answer(at, Kind::Reset, port, to)),
                2 => ends.push(End { at: ms(at), from: client(port), to: host(to) }),
                _ => segments.push(syn(at, port, to)),
            }
        }
        let slot_life = ms(random.random_range(1..40));
        let peak = peak(&attempts(&segments, &ends), slot_life);
        assert_eq!(
            peak.half_open,
            by_brute_force(&segments, &ends, slot_life),
            "round {round}: {segments:?} {ends:?}"
        );
        assert_eq!(peak.attempts.len(), peak.half_open);
        peaks.insert(peak.half_open);
    }
    assert!(peaks.len() > 5, "the rounds were too much alike: peaks {peaks:?}");
}
