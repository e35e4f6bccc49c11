//! How long an attempt may wait.

use rustix::io::Errno;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testkit::desk::PATIENCE;
use testkit::rig::calls::{Calls, TCP_SYNCNT, TCP_USER_TIMEOUT};
use testkit::rig::{block, host, limit, until};
use testkit::{Family, HostKind, Lab, require_lab};

/// An attempt that waits in vain: a silent network would have been waited for 3 s with one retry, 1.5 s with the
/// TCP_USER_TIMEOUT of the impatient.
struct Waiter {
    name: &'static str,
    family: Kind,
    own: Option<(i32, u32)>,
    /// After so many seconds at least and at most; `None`: not while the others are waited for.
    ends: Option<(f64, f64)>,
}

#[derive(Clone, Copy)]
enum Kind {
    V4,
    V6,
    Mapped,
}

const fn waiter(
    name: &'static str,
    family: Kind,
    own: Option<(i32, u32)>,
    ends: Option<(f64, f64)>,
) -> Waiter {
    Waiter { name, family, own, ends }
}

const ONE_RETRY: Option<(i32, u32)> = Some((TCP_SYNCNT, 1));
const IMPATIENT: Option<(i32, u32)> = Some((TCP_USER_TIMEOUT, 1_500));

fn await_ends(max_wait: &str, waiters: &[Waiter]) {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, lab.cgroup(), 1, &[("max_wait", max_wait)]);
    let _blocker = block(&lab, lab.cgroup(), &limiter, 1);
    let calls = Calls::start(lab.client(), lab.cgroup());
    let begun: Vec<Duration> = waiters.iter().map(|waiter| begin(&lab, &calls, waiter)).collect();
    let all = i64::try_from(waiters.len()).unwrap();
    until(&limiter, "all to wait", PATIENCE, |scope| scope.queued == all);
    for (waiter, begun) in waiters.iter().zip(begun) {
        let Some((least, most)) = waiter.ends else { continue };
        let ended = calls.ended(waiter.name, PATIENCE);
        let waited = ended.at.abs_diff(begun).as_secs_f64();
        assert_eq!(ended.outcome, Err(Errno::TIMEDOUT), "{}", waiter.name);
        println!("max_wait {max_wait}, {}: {waited:.3} s", waiter.name);
        assert!((least..=most).contains(&waited), "{} waited {waited} s", waiter.name);
    }
    let ended = waiters.iter().filter(|waiter| waiter.ends.is_some()).count();
    let ended = i64::try_from(ended).unwrap();
    let scope = until(&limiter, "the rest to wait", PATIENCE, |scope| scope.queued == all - ended);
    assert_eq!((scope.gave_up_while_queued, scope.cancelled, scope.released), (ended, 0, 0), "{scope:?}");
    for waiter in waiters.iter().filter(|waiter| waiter.ends.is_none()) {
        assert!(!calls.has_ended(waiter.name), "{}", waiter.name);
    }
}

fn begin(lab: &Lab, calls: &Calls, waiter: &Waiter) -> Duration {
    let family = if matches!(waiter.family, Kind::V6) { Family::V6 } else { Family::V4 };
    let mut to = host(lab, HostKind::Dead, family);
    if let (IpAddr::V4(ip), Kind::Mapped) = (to.ip(), waiter.family) {
        to = SocketAddr::new(ip.to_ipv6_mapped().into(), to.port());
    }
    calls.open(waiter.name, to);
    if let Some((option, value)) = waiter.own {
        calls.set(waiter.name, option, value);
    }
    // Before the call, so that no wait is measured shorter than it was.
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    calls.connect_on(waiter.name, to);
    begun
}

#[test]
fn never_shorter_than_a_silent_network() {
    await_ends(
        "1s",
        &[
            waiter("one retry", Kind::V4, ONE_RETRY, Some((2.95, 4.5))),
            waiter("one retry, IPv6", Kind::V6, ONE_RETRY, Some((2.95, 4.5))),
            waiter("one retry, mapped", Kind::Mapped, ONE_RETRY, Some((2.95, 4.5))),
            waiter("impatient", Kind::V4, IMPATIENT, Some((1.45, 2.6))),
            waiter("default", Kind::V4, None, None),
        ],
    );
}

#[test]
fn up_to_max_wait_where_that_is_longer() {
    await_ends(
        "8s",
        &[
            waiter("one retry", Kind::V4, ONE_RETRY, Some((7.95, 9.5))),
            waiter("one retry, IPv6", Kind::V6, ONE_RETRY, Some((7.95, 9.5))),
            waiter("one retry, mapped", Kind::Mapped, ONE_RETRY, Some((7.95, 9.5))),
            waiter("impatient", Kind::V4, IMPATIENT, Some((7.95, 9.5))),
            waiter("default", Kind::V4, None, None),
        ],
    );
}

#[test]
fn as_long_as_the_program_would_have_waited_by_default() {
    await_ends(
        "program",
        &[
            waiter("one retry", Kind::V4, ONE_RETRY, Some((2.95, 4.5))),
            waiter("two retries", Kind::V4, Some((TCP_SYNCNT, 2)), Some((6.95, 9.0))),
            waiter("impatient", Kind::V4, IMPATIENT, Some((1.45, 2.6))),
            waiter("default", Kind::V4, None, None),
        ],
    );
}
