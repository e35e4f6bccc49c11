use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testkit::dial::{Outcome, Spec, Style};
use testkit::workload::{DialerPlan, MET_BEFORE, Pace, Prefix, Stream, Workload};
use testkit::{Cgroup, Dialer, Dialling, Host, HostKind, Lab, PORT, Side, Wan};

use crate::runs::named::ask_for_names;
use crate::runs::run::Recorded;
use crate::runs::{Limiter, Run, RunError};

/// A limiter may let only one stranger a second be met.
const MEETING: Duration = Duration::from_mins(2);

/// Carries a workload out in a lab of its own. `seed` is that of the lab, and is kept with the results.
///
/// # Errors
/// When the lab or the limiter fails, the workload dials what is not the lab's, or known hosts cannot be met with the
/// limiter in force.
pub fn carry_out(workload: &Workload, limiter: &dyn Limiter, seed: u64) -> Result<Run, RunError> {
    let interval = workload.interval();
    let workload = &workload.unrolled();
    if workload.dials().any(|(_, dial)| !Prefix::WORLD.contains(dial.to)) {
        return Err(RunError::NotOfTheLab { workload: workload.name.clone() });
    }
    let mut builder = Lab::builder().seed(seed);
    if workload.dials().any(|(_, dial)| dial.port != PORT) {
        builder = builder.every_port();
    }
    if !workload.round_trip.is_zero() {
        builder = builder.wan(Wan { delay: workload.round_trip / 2, loss: 0.0 });
    }
    let lab = builder.build()?;
    lab.place(&hosts(workload))?;
    let in_force = limiter.put_into(&lab)?;
    let cgroups = workload
        .dialers
        .iter()
        .map(|dialer| lab.cgroup().child(dialer.cgroup))
        .collect::<Result<Vec<_>, _>>()?;
    let _names = ask_for_names(&lab, &cgroups, &workload.named)?;
    let mut capture = lab.capture(Side::Client)?;
    let mut dialling = (workload.dialers.iter().zip(&cgroups))
        .map(|(dialer, cgroup)| meet(&lab, dialer, cgroup, limiter.name()))
        .collect::<Result<Vec<_>, _>>()?;

    let zero = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let end = Instant::now() + workload.run_for;
    for (dialling, dialer) in dialling.iter_mut().zip(&workload.dialers) {
        for stream in &dialer.streams {
            dialling.also(&spec(stream))?;
        }
    }
    for dialling in &dialling {
        if let Err(error) = dialling.await_all_done(end.saturating_duration_since(Instant::now()))
            && Instant::now() < end
        {
            return Err(error.into());
        }
    }
    // Until all that left has been recorded.
    capture.segments()?;
    let status = in_force.status()?;
    let captured = capture.finish()?;
    let reports = dialling.into_iter().map(Dialling::kill).collect::<Vec<_>>();
    in_force.take_out(&lab)?;
    let overrun = lab.wan().map_or(0, |tally| tally.overrun);
    let recorded = Recorded { zero, reports: &reports, captured: &captured, overrun, status, interval };
    Ok(Run::of(workload, limiter.name(), seed, recorded))
}

fn hosts(workload: &Workload) -> Vec<Host> {
    let host = |kind| move |address| Host { address: IpAddr::V4(address), kind };
    let live = workload.live().into_iter().map(host(HostKind::Live));
    live.chain(workload.dead().into_iter().map(host(HostKind::Dead))).collect()
}

/// Starts a dialer, which meets whom it is to know, and waits until the time for the rest has come.
fn meet(lab: &Lab, dialer: &DialerPlan, cgroup: &Cgroup, limiter: &str) -> Result<Dialling, RunError> {
    let meets = dialer.meets.iter().map(|address| socket_address(*address, PORT));
    let dialling =
        Dialer::new(lab).cgroup(cgroup).destinations(meets).blocking(1).close_when_connected().spawn()?;
    let reports = dialling.await_all_done(MEETING)?;
    let met = reports.iter().filter(|report| report.outcome == Outcome::Connected).count();
    let of = dialer.meets.len();
    if met < of {
        return Err(RunError::NotMet { met, of, limiter: limiter.to_owned() });
    }
    if met > 0 {
        std::thread::sleep(MET_BEFORE);
    }
    Ok(dialling)
}

fn socket_address(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address), port)
}

/// Its rounds are written out already.
fn spec(stream: &Stream) -> Spec {
    let spec = Spec {
        destinations: stream.dials.iter().map(|dial| socket_address(dial.to, dial.port)).collect(),
        patience_ms: stream.patience.map(|patience| patience.as_millis() as u64),
        ..Spec::default()
    };
    match &stream.pace {
        Pace::AtOnce => spec,
        Pace::Threads(threads) => Spec { style: Style::Blocking(*threads), ..spec },
        Pace::At(times) | Pace::Rounds { phases: times, .. } => {
            Spec { at_us: times.iter().map(|time| time.as_micros() as u64).collect(), ..spec }
        }
        Pace::Forks { dials, children } => {
            Spec { style: Style::Forks { dials: *dials, children: *children }, ..spec }
        }
        Pace::Collect { every, at_a_time, wanted } => Spec {
            dials_per_s: Some(every.as_secs_f64().recip()),
            at_a_time: *at_a_time,
            enough: *wanted,
            ..spec
        },
    }
}
