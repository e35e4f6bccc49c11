//! The time that the limiter's programs run for one connection, by the kernel's statistics and less what those show
//! for a program that does nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use halfopen_lab::{Lab, Limiter, Spread, WORLD_V4};

use crate::bpf_stats::{self, Kept, Runs};
use crate::connector::Connector;
use crate::idle_programs::{self, IdlePrograms};
use crate::report::{Aim, Row};

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

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = bpf_stats::of(lab.cgroup())?;
        let connections = connector.connect(lab.cgroup(), 0, ROUND)?.connections as f64;
        rounds.push((connections, bpf_stats::between(&before, &bpf_stats::of(lab.cgroup())?)));
    }
    limiter.stop()?;

    let mut sums = vec![0.0; ROUNDS];
    let mut parts = Vec::new();
    for name in limiters(&rounds[0].1) {
        // One round's idle runs may have been interrupted: the median of all is what the statistics cost.
        let floor = Spread::of(rounds.iter().map(|(_, runs)| idle_programs::floor(runs, name))).median();
        let runs = |(connections, runs): &(f64, BTreeMap<String, Runs>)| {
            let runs = runs.get(name).copied().unwrap_or_default();
            (
                runs.count as f64 / connections,
                (runs.nanoseconds as f64 - runs.count as f64 * floor) / connections,
            )
        };
        for (sum, round) in sums.iter_mut().zip(&rounds) {
            *sum += runs(round).1;
        }
        let count = Spread::of(rounds.iter().map(|round| runs(round).0)).median();
        let time = Spread::of(rounds.iter().map(|round| runs(round).1)).median();
        parts.push(format!("{name} {time:.0} ns in {count:.1} runs"));
    }
    ensure!(
        !parts.is_empty(),
        "no program of the limiter ran for the connections of {}",
        lab.cgroup().path().display()
    );
    Ok(vec![Row {
        what: "programs for one connection (veth), summed".to_owned(),
        aim: Some(Aim::Below(MOST_NS)),
        value: Spread::of(sums),
        unit: " ns",
        decimals: 0,
        note: parts.join(", "),
    }])
}

/// Those that ran and are not the idle ones.
fn limiters(runs: &BTreeMap<String, Runs>) -> impl Iterator<Item = &String> {
    let ran = runs.iter().filter(|(_, runs)| runs.count > 0);
    ran.map(|(name, _)| name).filter(|name| !name.starts_with("idle_"))
}
