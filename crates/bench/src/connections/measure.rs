//! One workload with one limiter, in a lab of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halfopen_bench::peers::{Limits, OPEN, Peer, TENANT};
use halfopen_bench::runs::{Limiter, RunError};
use testkit::dial::Report;
use testkit::endings::churn;
use testkit::invariant::{attempts, releases, releases_per_window};
use testkit::{Cgroup, Dialer, HostKind, Lab, LabError, Mix, Side};

use crate::connections::measured::{Churned, Dials, Measured};
use crate::connections::workload::{BURST, CHURN_ROUNDS, CHURNING, FLOOD, FLOODERS, Workload};

/// How many connections another tenant makes a second, to another address.
const BESIDE_A_SECOND: f64 = 5.0;
/// More than it makes while any workload runs.
const BESIDE: usize = 2_000;
/// How long a connection of the other tenant may take.
const BESIDE_PATIENCE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
/// So much later than one that has begun after it a connection may leave, and is still in turn.
const IN_TURN: Duration = Duration::from_millis(100);

pub fn measure(workload: Workload, peer: &Peer, limits: Limits, seed: u64) -> Result<Measured, RunError> {
    let lab = Lab::builder().seed(seed).quiet().nat().build()?;
    let nat = lab.nat().ok_or(LabError::NoNat)?;
    let (tenant, other) = (lab.cgroup().child(TENANT)?, lab.cgroup().child("other")?);
    let hosts = lab.draw(&Mix { live: 2, ..Mix::default() })?.of(HostKind::Live);
    let (target, others_target) = (hosts[0], hosts[1]);
    let in_force = peer.put_into(&lab)?;
    let capture = lab.capture(Side::World)?;
    let beside = Dialer::new(&lab)
        .cgroup(&other)
        .destinations(std::iter::repeat_n(others_target, BESIDE))
        .dials_per_s(BESIDE_A_SECOND)
        .patience(BESIDE_PATIENCE)
        .close_when_connected()
        .spawn()?;
    let begun = Instant::now();
    let (reports, churned) = match workload {
        Workload::Flood => (dial(flood(&lab, &tenant, target), workload.run_for())?, None),
        Workload::Burst => (dial(burst(&lab, &tenant, target), workload.run_for())?, None),
        Workload::Churn => {
            let churned = churn(&lab, &tenant, CHURN_ROUNDS, CHURNING);
            // As many as may be open, and some more: who is beyond the limit waits, is refused, or is dropped.
            let keepers =
                Dialer::new(&lab).cgroup(&tenant).destinations(std::iter::repeat_n(target, 2 * OPEN));
            let reports = dial(keepers, workload.run_for())?;
            let open = Dials::of(&reports).connected;
            let leaked = (limits == Limits::Open).then(|| OPEN.saturating_sub(open));
            (reports, Some(Churned { ended: churned.ended, failed: churned.failed, leaked }))
        }
    };
    let took = begun.elapsed();
    let beside = Dials::of(&beside.kill());
    let captured = capture.finish()?;
    // What has ended is kept for longer than any workload takes.
    let entries = nat.entries()?.into_iter().filter(|entry| entry.to.ip() != others_target.ip());
    let entries: Vec<_> = entries.map(|entry| entry.state).collect();
    let syns: Vec<_> = captured.whole().iter().filter(|segment| segment.to == target).copied().collect();
    let arrived = attempts(&syns, &[]);
    let first = releases(&arrived);
    let in_a_second =
        first.first().map_or_else(Vec::new, |first_syn| releases_per_window(&first, *first_syn, SECOND));
    let left = arrived.iter().map(|attempt| (attempt.from.port(), attempt.syns[0])).collect();
    let measured = Measured {
        dials: Dials::of(&reports),
        took,
        overtaken: overtaken(&reports, &left),
        most_in_a_second: in_a_second.into_iter().max().unwrap_or_default(),
        most_open: lab.listener().most_open(),
        entries: entries.len(),
        entries_open: entries.into_iter().filter(|state| state.is_open()).count(),
        beside,
        churned,
    };
    in_force.take_out(&lab)?;
    Ok(measured)
}

fn flood<'a>(lab: &'a Lab, tenant: &'a Cgroup, target: SocketAddr) -> Dialer<'a> {
    Dialer::new(lab)
        .cgroup(tenant)
        .destinations(std::iter::repeat_n(target, FLOOD))
        .blocking(FLOODERS)
        .close_when_connected()
}

fn burst<'a>(lab: &'a Lab, tenant: &'a Cgroup, target: SocketAddr) -> Dialer<'a> {
    Dialer::new(lab).cgroup(tenant).destinations(std::iter::repeat_n(target, BURST)).close_when_connected()
}

/// Has it dial until all have ended or its time is over; those that have ended.
fn dial(dialer: Dialer<'_>, run_for: Duration) -> Result<Vec<Report>, LabError> {
    let dialling = dialer.spawn()?;
    match dialling.await_all_done(run_for) {
        Ok(_) | Err(LabError::Late { .. }) => Ok(dialling.kill()),
        Err(error) => Err(error),
    }
}

/// How many connections left later than one that had begun after them. `left` is when, by the port that they came from.
fn overtaken(reports: &[Report], left: &HashMap<u16, Duration>) -> usize {
    let mut turns: Vec<_> = (reports.iter())
        .filter_map(|report| Some((report.index, *left.get(&report.source?.port())?)))
        .collect();
    turns.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
    let mut earliest = Duration::MAX;
    let mut overtaken = 0;
    for (_, at) in turns {
        overtaken += usize::from(at > earliest.saturating_add(IN_TURN));
        earliest = earliest.min(at);
    }
    overtaken
}
