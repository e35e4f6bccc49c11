//! The time that the limiter's programs run for one connection, by the kernel's statistics and less what those show
//! for a program that does nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use halfopen_lab::{Lab, Limiter, WORLD_V4};

use crate::bpf_stats::{self, Kept, Runs};
use crate::connector::Connector;
use crate::idle_programs::{self, IdlePrograms};
use crate::report::{Aim, Row};
use crate::spread::Spread;

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(100);
const MOST_NS: f64 = 700.0;

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let limiter = Limiter::builder(&lab).start()?;
    let _idle = IdlePrograms::attach(lab.cgroup())?;
    let _kept = Kept::begin()?;
    let mut connector = Connector::start(&unlimited, lab.world(), lab.client(), IpAddr::V4(WORLD_V4))?;
    connector.listen()?;

    let mut sums = Vec::new();
    let mut parts: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let before = bpf_stats::of(lab.cgroup())?;
        let connections = connector.connect(lab.cgroup(), 0, ROUND)?.connections as f64;
        let runs = bpf_stats::between(&before, &bpf_stats::of(lab.cgroup())?);
        let mut sum = 0.0;
        for (name, each) in limiters(&runs) {
            let own = (each.nanoseconds as f64 - each.count as f64 * idle_programs::floor(&runs, name))
                / connections;
            let (times, counts) = parts.entry(name.clone()).or_default();
            times.push(own);
            counts.push(each.count as f64 / connections);
            sum += own;
        }
        sums.push(sum);
    }
    ensure!(!parts.is_empty(), "no program of the limiter is attached to {}", lab.cgroup().path().display());
    limiter.stop()?;

    let part = |(name, (times, counts)): (String, (Vec<f64>, Vec<f64>))| {
        let (time, count) = (Spread::of(times).median(), Spread::of(counts).median());
        format!("{name} {time:.0} ns in {count:.1} runs")
    };
    let note = parts.into_iter().map(part).collect::<Vec<_>>().join(", ");
    Ok(vec![Row {
        what: "programs for one connection (veth), summed".to_owned(),
        aim: Some(Aim::Below(MOST_NS)),
        value: Spread::of(sums),
        unit: " ns",
        decimals: 0,
        note,
    }])
}

/// Those that ran and are not the idle ones.
fn limiters(runs: &BTreeMap<String, Runs>) -> impl Iterator<Item = (&String, &Runs)> {
    runs.iter().filter(|(name, runs)| runs.count > 0 && !name.starts_with("idle_"))
}
