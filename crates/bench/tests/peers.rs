//! Each peer can be put into a lab, does there what its one line says, and can be taken out again.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use halfopen_bench::peers::{PEERS, Peer, named};
use halfopen_bench::runs::Limiter;
use testkit::dial::Outcome;
use testkit::{Capture, Dialer, Dialling, HostKind, Kind, Lab, Mix, Side, require_lab};

const PATIENCE: Duration = Duration::from_secs(20);
const DIALS: u64 = 50;

struct Bench {
    lab: Lab,
    capture: Capture,
}

/// Dials begun, and where to, in order.
struct Begun {
    to: Vec<IpAddr>,
    _dialling: Dialling,
}

impl Bench {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let capture = lab.capture(Side::Client).unwrap();
        Self { lab, capture }
    }

    /// Dials so many dead addresses, never dialled before, at once.
    fn dial_dead(&self, count: u64) -> Begun {
        let hosts = self.lab.draw(&Mix { dead: count as usize, ..Mix::default() }).unwrap();
        let to = hosts.of(HostKind::Dead);
        let dialling = Dialer::new(&self.lab).destinations(to.iter().copied()).spawn().unwrap();
        dialling.await_all_dialled(PATIENCE).unwrap();
        Begun { to: to.iter().map(SocketAddr::ip).collect(), _dialling: dialling }
    }

    /// Whom of those a SYN has been on the wire for: when first, in order.
    fn reached(&mut self, begun: &Begun) -> Vec<(Duration, IpAddr)> {
        let mut left: BTreeSet<IpAddr> = begun.to.iter().copied().collect();
        let segments = self.capture.segments().unwrap();
        let syns = segments.iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
        let firsts = syns.filter(|syn| left.remove(&syn.to.ip()));
        firsts.map(|syn| (syn.at, syn.to.ip())).collect()
    }

    fn await_reached(&mut self, begun: &Begun, count: usize) -> Vec<(Duration, IpAddr)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reached = self.reached(begun);
            assert!(reached.len() >= count || Instant::now() < deadline, "only {} reached", reached.len());
            if reached.len() >= count {
                return reached;
            }
        }
    }
}

fn peer(id: &str) -> Peer {
    named(id).unwrap()
}

/// Of 50 dead ones dialled at once so many are reached; none is held back by the same rules without limits, nor when
/// it has been taken out.
fn at_once(id: &str, expected: RangeInclusive<usize>) {
    let mut bench = Bench::new();
    let in_force = peer(id).put_into(&bench.lab).unwrap();
    let begun = bench.dial_dead(DIALS);
    let reached = bench.await_reached(&begun, *expected.start()).len();
    assert!(expected.contains(&reached), "{reached} of {DIALS} reached at once");
    in_force.take_out(&bench.lab).unwrap();
    if !peer(id).limits.is_empty() {
        let in_force = peer(id).unlimited().put_into(&bench.lab).unwrap();
        let begun = bench.dial_dead(DIALS);
        bench.await_reached(&begun, DIALS as usize);
        in_force.take_out(&bench.lab).unwrap();
    }
    let begun = bench.dial_dead(DIALS);
    bench.await_reached(&begun, DIALS as usize);
}

/// What waits leaves in the order in which it came, so many a second.
fn paced(id: &str, burst: usize, gap: Duration, gaps: usize) {
    let mut bench = Bench::new();
    let _in_force = peer(id).put_into(&bench.lab).unwrap();
    let begun = bench.dial_dead(DIALS);
    // One to spare: where exactly a burst ends is a matter of the timer.
    let first = burst + 1;
    let reached = bench.await_reached(&begun, first + gaps + 1);
    let in_order = reached.iter().zip(&begun.to).all(|((_, reached), dialled)| reached == dialled);
    assert!(in_order, "{reached:?} is not the order of {:?}", begun.to);
    let (took, ideal) = (reached[first + gaps].0.saturating_sub(reached[first].0), gap * gaps as u32);
    assert!(took > ideal / 2 && took < ideal * 2, "{gaps} releases took {took:?}, not {ideal:?}");
}

/// Live ones are connected to, a hundred a second, many more than there may be at once.
fn serves_live_ones(id: &str, count: usize) {
    let bench = Bench::new();
    let _in_force = peer(id).put_into(&bench.lab).unwrap();
    let hosts = bench.lab.draw(&Mix { live: count, ..Mix::default() }).unwrap();
    let to = hosts.of(HostKind::Live);
    let dialer = Dialer::new(&bench.lab).destinations(to).dials_per_s(100.0).close_when_connected();
    let dialling = dialer.spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    let longest = reports.iter().map(testkit::dial::Report::waited).max().unwrap();
    assert!(longest < Duration::from_millis(900), "one waited {longest:?}: its SYN was sent again");
}

#[test]
fn every_peer_has_an_id_of_its_own_and_says_what_it_does() {
    let ids: BTreeSet<_> = PEERS.iter().map(|peer| peer.id).collect();
    assert_eq!(ids.len(), PEERS.len());
    for peer in PEERS {
        assert!(named(peer.id).is_some() && !peer.says.is_empty());
        let unlimited = peer.unlimited();
        for (limit, _) in peer.limits {
            let text = |peer: &Peer| format!("{:?} {:?}", peer.rules, peer.means);
            assert!(text(&peer).contains(limit), "{} has no {limit:?}", peer.id);
            assert!(!text(&unlimited).contains(limit), "{} still has {limit:?}", peer.id);
        }
    }
    assert!(named("ipfw").is_none());
}

#[test]
fn none_lets_all_out() {
    require_lab!();
    at_once("none", 50..=50);
}

// Rates go on while the dials begin and the wire is looked at: some more than the burst may leave.
#[test]
fn nft_limit_rate_drops_what_is_above_its_burst() {
    require_lab!();
    at_once("nft-limit-rate", 5..=15);
}

#[test]
fn iptables_hashlimit_drops_what_is_above_its_burst() {
    require_lab!();
    at_once("iptables-hashlimit", 5..=15);
}

#[test]
fn nft_ct_count_drops_while_there_are_twenty() {
    require_lab!();
    at_once("nft-ct-count", 20..=20);
}

#[test]
fn the_half_open_set_drops_while_there_are_twenty() {
    require_lab!();
    at_once("nft-half-open-set", 20..=20);
}

#[test]
fn the_half_open_set_forgets_what_was_answered() {
    require_lab!();
    serves_live_ones("nft-half-open-set", 60);
}

#[test]
fn tc_htb_lets_a_burst_out() {
    require_lab!();
    at_once("tc-htb", 5..=15);
}

#[test]
fn tc_htb_paces_what_waits() {
    require_lab!();
    paced("tc-htb", 5, Duration::from_millis(100), 10);
}

#[test]
fn nfqueue_lets_a_burst_out() {
    require_lab!();
    at_once("nfqueue", 5..=15);
}

#[test]
fn nfqueue_paces_what_waits() {
    require_lab!();
    paced("nfqueue", 5, Duration::from_millis(100), 10);
}

#[test]
fn hp_vt_lets_a_new_host_a_second_out() {
    require_lab!();
    at_once("hp-vt", 5..=7);
    paced("hp-vt", 5, Duration::from_secs(1), 2);
}

#[test]
fn hp_vt_does_not_hold_the_hosts_of_its_working_set() {
    require_lab!();
    serves_live_ones("hp-vt", 5);
}

#[test]
fn xp_sp2_has_ten_slots() {
    require_lab!();
    at_once("xp-sp2", 10..=10);
}

#[test]
fn the_preset_of_the_virus_throttle_lets_its_working_set_out_first() {
    require_lab!();
    at_once("virus-throttle", 1..=7);
}

#[test]
fn adaptive_spends_its_credit() {
    require_lab!();
    at_once("adaptive", 30..=45);
}
