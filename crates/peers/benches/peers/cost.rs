//! What an admitted SYN costs: the processor time of the whole machine.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use halfopen_lab::{Dialer, HostKind, Lab, Mix, Spread, artifact};
use halfopen_peers::Peer;
use halfopen_trial::{Limiter, NONE};
use halfopen_workload::VICTIM;
use serde::Deserialize;
use serde_json::{Value, json};

/// Connections of one measurement.
const CONNECTIONS: u32 = 20_000;
/// All of them fit into a throttle's working set of five.
const HOSTS: usize = 4;

/// Of each limiter, one value a round.
pub struct Costs {
    rounds: Vec<BTreeMap<&'static str, f64>>,
    pub failures: Vec<String>,
}

#[derive(Deserialize)]
struct Measured {
    busy_seconds: f64,
}

impl Costs {
    /// Measures all limiters by turns, so many rounds; each round begins with another one.
    pub fn measure(limiters: &[Peer], rounds: u64) -> Self {
        let mut costs = Self { rounds: Vec::new(), failures: Vec::new() };
        for round in 0..rounds {
            let mut values = BTreeMap::new();
            for turn in 0..limiters.len() {
                let limiter = &limiters[(turn + round as usize) % limiters.len()];
                match measure(&limiter.unlimited()) {
                    Ok(microseconds) => {
                        eprintln!("cost, round {round}: {microseconds:.1} us with {}", limiter.id);
                        values.insert(limiter.id, microseconds);
                    }
                    Err(error) => {
                        let line = format!("cost with {}, round {round}, not measured: {error:#}", limiter.id);
                        eprintln!("{line}");
                        costs.failures.push(line.replace('\n', " "));
                    }
                }
            }
            costs.rounds.push(values);
        }
        costs
    }

    /// Microseconds that an admitted SYN costs with this limiter and not without, pair by pair of the same round.
    pub fn of(&self, limiter: &str) -> Spread {
        let pairs = self.rounds.iter().filter_map(|round| Some(round.get(limiter)? - round.get(NONE)?));
        Spread::of(pairs)
    }

    /// Microseconds that a connection takes with this limiter in all.
    pub fn whole(&self, limiter: &str) -> Spread {
        Spread::of(self.rounds.iter().filter_map(|round| round.get(limiter).copied()))
    }

    pub fn to_json(&self) -> Value {
        json!({ "connections": CONNECTIONS, "rounds_us": self.rounds, "failures": self.failures })
    }
}

/// Microseconds of all processors together for each connection.
fn measure(limiter: &Peer) -> Result<f64> {
    let lab = Lab::new()?;
    let hosts = lab.draw(&Mix { live: HOSTS, ..Mix::default() })?.of(HostKind::Live);
    let in_force = limiter.put_into(&lab)?;
    let cgroup = lab.cgroup().child(VICTIM)?;
    // Known from here on to those who ask for that.
    let met = Dialer::new(&lab).cgroup(&cgroup).destinations(hosts.iter().copied()).close_when_connected();
    met.spawn()?.await_all_done(std::time::Duration::from_secs(30))?;
    let program = artifact("peer-connect", "PEER_CONNECT")?;
    let mut command = lab.client().command_in(&cgroup, program);
    command.arg(CONNECTIONS.to_string()).args(hosts.iter().map(ToString::to_string));
    let output = command.output().context("running peer-connect")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "peer-connect failed: {}", said.trim());
    in_force.take_out(&lab)?;
    let measured: Measured = serde_json::from_slice(&output.stdout).context("reading what peer-connect says")?;
    Ok(measured.busy_seconds * 1e6 / f64::from(CONNECTIONS))
}
