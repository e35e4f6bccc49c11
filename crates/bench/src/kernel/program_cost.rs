//! The time that the limiter's programs run for one connection, by the kernel's statistics and less what those show
//! for a program that does nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::{Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::bpf_stats::{self, Kept, Runs};
use crate::kernel::connector::Connector;
use crate::kernel::idle_programs::{self, IdlePrograms};
use crate::kernel::report::{Aim, Row};

const ROUNDS: usize = 30;
const ROUND: Duration = Duration::from_millis(100);
const MOST_NS: f64 = 900.0;
/// What every feature may cost above none.
const MOST_MORE_NS: f64 = 300.0;

/// By turns with the features of scopes and first contacts off and on; the two runs of each show how far the machine is
/// to be believed.
pub fn measure() -> Result<Vec<Row>> {
    let mut off = Vec::new();
    let mut on = Vec::new();
    let mut parts = Vec::new();
    for _ in 0..2 {
        let (sums, said) = sums_with("xp-sp2")?;
        off.extend(sums);
        parts.push(said);
        let (sums, said) = sums_with("adaptive")?;
        on.extend(sums);
        parts.push(said);
    }
    let more = Spread::of(on.iter().zip(&off).map(|(on, off)| on - off));
    let row = |what: &str, aim, value, note: &str| Row {
        what: what.to_owned(),
        aim: Some(Aim::Below(aim)),
        value,
        unit: " ns",
        decimals: 0,
        note: note.to_owned(),
    };
    Ok(vec![
        row("programs for one connection (veth), xp-sp2", MOST_NS, Spread::of(off), &parts[0]),
        row("the same, adaptive, to a known address", MOST_NS + MOST_MORE_NS, Spread::of(on), &parts[1]),
        row("more with all features on", MOST_MORE_NS, more, ""),
    ])
}

/// What the programs of a limiter with this preset take for a connection, in each round, and each one's part.
fn sums_with(preset: &str) -> Result<(Vec<f64>, String)> {
    let lab = Lab::new()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let limiter = Limiter::builder(&lab).set("preset", preset).start()?;
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
    Ok((sums, parts.join(", ")))
}

/// Those that ran and are not the idle ones.
fn limiters(runs: &BTreeMap<String, Runs>) -> impl Iterator<Item = &String> {
    let ran = runs.iter().filter(|(_, runs)| runs.count > 0);
    ran.map(|(name, _)| name).filter(|name| !name.starts_with("idle_"))
}
