//! Somebody else's cgroup programs on the same hooks, before and after ours, above and below. systemd's IPAddressDeny=
//! is such a program (cgroup_skb with BPF_F_ALLOW_MULTI): what it denies stays denied.

use crate::scene::{Scene, limiter};
use crate::table::at_length;
use rustix::process::Signal;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testkit::desk::other_program::attach_deny;
use testkit::desk::{PATIENCE, has};
use testkit::dial::Outcome;
use testkit::{Cgroup, Dialer, Lab, Mix, require_lab};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Above,
    BeforeOurs,
    AfterOurs,
    Below,
}

/// How the dial of a denied destination ends.
fn dial_denied(scene: &Scene, cgroup: &Cgroup, denied: SocketAddr, patience: Duration) -> Outcome {
    let dialer = Dialer::new(&scene.lab).cgroup(cgroup).destinations([denied]).patience(patience);
    dialer.spawn().unwrap().await_all_done(PATIENCE).unwrap()[0].outcome
}

fn denied_stays_denied(place: Where, times: usize) {
    let lab = Lab::new().unwrap();
    let middle = lab.cgroup().child("middle").unwrap();
    let below = middle.child("below").unwrap();
    let denied = lab.draw(&Mix { live: 1, ..Mix::default() }).unwrap().destinations()[0];
    let IpAddr::V4(address) = denied.ip() else { unreachable!("an IPv4 address was drawn") };
    match place {
        Where::Above => attach_deny(address, lab.cgroup()),
        Where::BeforeOurs => attach_deny(address, &middle),
        Where::Below => attach_deny(address, &below),
        Where::AfterOurs => {}
    }
    let first = limiter(&lab).limited(&middle).start().unwrap();
    if place == Where::AfterOurs {
        attach_deny(address, &middle);
    }
    let mut scene = Scene::begin_in(lab, first, Some(&below));
    for _ in 0..times {
        // Long enough to have its turn.
        assert_eq!(
            dial_denied(&scene, &below, denied, Duration::from_secs(8)),
            Outcome::Cancelled,
            "{place:?}"
        );
    }
    scene.live_goes_on(1);
    let judged = scene.judge_with_accounting();
    assert!(!judged.destinations.contains(&denied), "{place:?}: its SYN left");
    // With the scanner gone nothing else holds it back; and without us neither.
    assert_eq!(dial_denied(&scene, &below, denied, Duration::from_secs(2)), Outcome::Cancelled, "{place:?}");
    scene.limiter.signal(Signal::TERM).unwrap();
    scene.limiter.await_end(PATIENCE).unwrap();
    assert_eq!(dial_denied(&scene, &below, denied, Duration::from_secs(2)), Outcome::Cancelled, "{place:?}");
    judged.tell(
        &format!("another user of all our hooks that denies a destination: {place:?}"),
        format!("{times} dials"),
        "nothing: the denied stays denied, the rest is limited",
    );
}

#[test]
fn a_denied_destination_stays_denied() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let times = at_length(1, 10);
    std::thread::scope(|scope| {
        for place in [Where::Above, Where::BeforeOurs, Where::AfterOurs, Where::Below] {
            scope.spawn(move || denied_stays_denied(place, times));
        }
    });
}
