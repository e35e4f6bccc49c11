//! How exactly queued attempts are let out at the rate set. All go to dead addresses and one slot stands for all, so
//! that only the rate limits; the first SYNs in the recording are counted.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use testkit::{Dialer, Kind, Lab, Limiter, Mix, Segment, Side, Spread};

use crate::kernel::report::{Aim, Row};

/// Releases a second. The slow ones keep no processor busy and are measured at the same time.
const SLOW: [u32; 3] = [1, 10, 100];
const FAST: u32 = 1_000;
const TIME: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(2);
const MOST_PERCENT: f64 = 2.0;
const DIALS_PER_PROCESS: usize = 9_500;
const PATIENCE: Duration = Duration::from_mins(1);

pub fn measure() -> Result<Vec<Row>> {
    let mut rows = std::thread::scope(|scope| {
        let running = SLOW.map(|rate| scope.spawn(move || at(rate)));
        let ended =
            running.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.into_iter().collect::<Result<Vec<_>>>()
    })?;
    rows.push(at(FAST)?);
    Ok(rows)
}

fn at(rate: u32) -> Result<Row> {
    let lab = Lab::new()?;
    let hosts = lab.draw(&Mix { dead: 100, ..Mix::default() })?;
    let limiter = Limiter::builder(&lab)
        .set("half_open", 1)
        .set("strict", false)
        .set("drain", format!("{rate}/s"))
        .set("queue", 100_000)
        .start()?;
    let mut capture = lab.capture(Side::World)?;
    // Enough that many still wait at the end.
    let dials = 200 + rate as usize * 36;
    let destinations: Vec<SocketAddr> = hosts.destinations().into_iter().cycle().take(dials).collect();
    let dialling = destinations
        .chunks(DIALS_PER_PROCESS)
        .map(|part| Dialer::new(&lab).destinations(part.iter().copied()).spawn())
        .collect::<Result<Vec<_>, _>>()?;
    for dialling in &dialling {
        dialling.await_all_dialled(PATIENCE)?;
    }
    std::thread::sleep(SETTLE);
    let from = SystemTime::now().duration_since(UNIX_EPOCH).context("reading the clock")?;
    std::thread::sleep(TIME);
    let released = first_syns(capture.segments()?, from);
    let status = limiter.status()?.host;
    ensure!(status.queued > 0, "at {rate}/s nobody waits any more after {TIME:?}: {status:?}");
    let captured = capture.finish()?;
    ensure!(captured.lost == 0, "{} packets are missing in the recording", captured.lost);
    drop(dialling);
    limiter.stop()?;

    let measured = match (released.first(), released.last()) {
        (Some(first), Some(last)) if last > first => {
            (released.len() - 1) as f64 / last.saturating_sub(*first).as_secs_f64()
        }
        _ => 0.0,
    };
    let error_percent = (measured / f64::from(rate) - 1.0).abs() * 100.0;
    let gaps =
        Spread::of(released.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64() * 1e3));
    Ok(Row {
        what: format!("drain of {rate}/s over {} s, error", TIME.as_secs()),
        aim: Some(Aim::Below(MOST_PERCENT)),
        value: Spread::of([error_percent]),
        unit: " %",
        decimals: 2,
        note: format!(
            "{measured:.3}/s; between two releases {:.1} ms, {:.1} to {:.1} ms",
            gaps.median(),
            gaps.least(),
            gaps.most()
        ),
    })
}

/// When each attempt's first SYN left that did so in the time measured.
fn first_syns(segments: &[Segment], from: Duration) -> Vec<Duration> {
    let mut seen = HashSet::new();
    let syns = segments.iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    let first = syns.filter(|syn| seen.insert((syn.from, syn.to))).map(|syn| syn.at);
    first.filter(|at| (from..from + TIME).contains(at)).collect()
}
