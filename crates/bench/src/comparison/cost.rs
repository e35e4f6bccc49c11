//! What an admitted SYN costs: the processor time of all that have a part in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use halfopen_bench::peers::{Peer, processor_time};
use halfopen_bench::runs::{Limiter, NONE};
use serde_json::{Value, json};
use testkit::workload::VICTIM;
use testkit::{Dialer, HostKind, Lab, Mix, Spread, artifact};

/// Connections of one measurement.
const CONNECTIONS: u32 = 20_000;
/// All of them fit into a throttle's working set of five.
const HOSTS: usize = 4;
/// For meeting them.
const MEETING: Duration = Duration::from_secs(30);

/// Of each limiter, one value a round.
pub struct Costs {
    rounds: Vec<BTreeMap<&'static str, f64>>,
    pub failures: Vec<String>,
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
                        let line =
                            format!("cost with {}, round {round}, not measured: {error:#}", limiter.id);
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

/// Microseconds of processor time for each connection, of both its ends and of the limiter's processes. What the kernel
/// does for a packet it does in the time of the process that sends it, or that lets it go on.
fn measure(limiter: &Peer) -> Result<f64> {
    let lab = Lab::new()?;
    let hosts = lab.draw(&Mix { live: HOSTS, ..Mix::default() })?.of(HostKind::Live);
    let in_force = limiter.put_into(&lab)?;
    let cgroup = lab.cgroup().child(VICTIM)?;
    // Known from here on to those who ask for that.
    let met = Dialer::new(&lab).cgroup(&cgroup).destinations(hosts.iter().copied()).close_when_connected();
    met.spawn()?.await_all_done(MEETING)?;
    let program = artifact("peer-connect", "PEER_CONNECT")?;
    // Its listener stands outside: the far ends of a host's connections are on other hosts.
    let mut command = Command::new(program);
    command
        .arg(CONNECTIONS.to_string())
        .args([lab.world().path(), lab.client().path()])
        .args(hosts.iter().map(|host| host.ip().to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut connecting = command.spawn().context("running peer-connect")?;
    let (Some(mut orders), Some(answers)) = (connecting.stdin.take(), connecting.stdout.take()) else {
        unreachable!("both were asked for");
    };
    let mut answers = BufReader::new(answers).lines();
    let mut answer =
        || answers.next().context("peer-connect has ended; what it said is above")?.context("hearing it");
    let limiters_own =
        || processor_time::of(&in_force.processes()).context("asking how long the limiter has run");
    let mut go_on = || writeln!(orders, "go").context("telling peer-connect to go on");
    ensure!(answer()? == "listening", "peer-connect does not listen");
    cgroup.adopt(connecting.id())?;
    go_on()?;
    ensure!(answer()? == "warm", "peer-connect does not begin");
    let before = limiters_own()?;
    go_on()?;
    let own = answer()?;
    let limiters_own = limiters_own()?.saturating_sub(before);
    connecting.wait().context("waiting for peer-connect to end")?;
    in_force.take_out(&lab)?;
    let own = Duration::from_nanos(own.parse().with_context(|| format!("peer-connect said {own:?}"))?);
    Ok((own + limiters_own).as_secs_f64() * 1e6 / f64::from(CONNECTIONS))
}
