//! Each limiter of connections does what it says, by the same rules as in the comparison.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::time::Duration;

use halfopen_bench::peers::{CONNECTION_PEERS, Limits, Means, OPEN, TENANT};
use halfopen_bench::runs::Limiter;
use testkit::dial::{Outcome, Report};
use testkit::{Cgroup, Dialer, Dialling, Lab, Mix, require_lab};

const PATIENCE: Duration = Duration::from_secs(30);
/// A SYN that is dropped is sent again twice within it.
const DIAL: Duration = Duration::from_secs(3);
const BURST: usize = 20;

/// Begins so many connections at once, and keeps them: how many connect, and how many are refused.
fn at_once(lab: &Lab, cgroup: &Cgroup, count: usize) -> (Dialling, usize, usize) {
    let target = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap().destinations()[0];
    let dialer = Dialer::new(lab).cgroup(cgroup).destinations(std::iter::repeat_n(target, count));
    let dialling = dialer.patience(DIAL).spawn().unwrap();
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    let of = |outcome| reports.iter().filter(|report: &&Report| report.outcome == outcome).count();
    (dialling, of(Outcome::Connected), of(Outcome::Refused))
}

#[test]
fn each_limits_the_tenant_as_it_says() {
    require_lab!();
    for (peer, limits) in CONNECTION_PEERS {
        if matches!(peer.means, Means::HalfopenWith) {
            continue;
        }
        let lab = Lab::builder().nat().build().unwrap();
        let tenant = lab.cgroup().child(TENANT).unwrap();
        let in_force = peer.put_into(&lab).unwrap();
        let (kept, connected, refused) = at_once(&lab, &tenant, OPEN + 50);
        let by_address = !peer.id.starts_with("nft") && limits == Limits::Open;
        match limits {
            Limits::Nothing => assert_eq!((connected, refused), (OPEN + 50, 0), "{}", peer.id),
            Limits::Open => {
                assert_eq!((connected, refused), (OPEN, if by_address { 50 } else { 0 }), "{}", peer.id);
            }
            // The burst, and 17 a second.
            Limits::New => assert!((BURST..OPEN).contains(&connected) && refused == 0, "{connected}"),
        }
        // What limits a cgroup leaves the others alone; what limits an address or a pod does not know them.
        let other = lab.cgroup().child("other").unwrap();
        let (_, connected, _) = at_once(&lab, &other, 30);
        assert_eq!(connected, if by_address { 0 } else { 30 }, "{}", peer.id);
        drop(kept);
        in_force.take_out(&lab).unwrap();
        let (_, connected, refused) = at_once(&lab, &tenant, OPEN + 50);
        assert_eq!((connected, refused), (OPEN + 50, 0), "{} was taken out", peer.id);
    }
}
