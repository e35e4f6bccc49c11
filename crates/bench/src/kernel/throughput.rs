//! What one TCP flow over veth carries with the limiter, over what it carries without, by turns.

use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::{Cgroup, Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::report::{Aim, Row};

const PAIRS: usize = 9;
const SECONDS: u32 = 2;
const LEAST: f64 = 0.99;
const START: Duration = Duration::from_secs(10);

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let limiter = Limiter::builder(&lab).start()?;
    let server = Server::start(&lab)?;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let [first, second] =
            if number % 2 == 0 { [lab.cgroup(), &unlimited] } else { [&unlimited, lab.cgroup()] };
        let (first, second) = (flow(&lab, &server, first, SECONDS)?, flow(&lab, &server, second, SECONDS)?);
        pairs.push(if number % 2 == 0 { (first, second) } else { (second, first) });
    }
    limiter.stop()?;
    let without = Spread::of(pairs.iter().map(|(_, without)| without / 1e9)).median();
    Ok(vec![Row {
        what: "iperf3 throughput on veth, with / without".to_owned(),
        aim: Some(Aim::Above(LEAST)),
        value: Spread::of(pairs.iter().map(|(with, without)| with / without)),
        unit: "",
        decimals: 3,
        note: format!("{without:.1} Gbit/s without"),
    }])
}

/// An iperf3 server in the lab's world; it ends when dropped.
pub struct Server {
    child: Child,
}

impl Server {
    pub fn start(lab: &Lab) -> Result<Self> {
        let child = lab
            .world()
            .command("iperf3")
            .args(["-s", "-B", &WORLD_V4.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It complains of the connection below, which says nothing.
            .stderr(Stdio::null())
            .spawn()
            .context("running iperf3: install it (apt-get install iperf3)")?;
        let mut server = Self { child };
        let start = Instant::now();
        while !lab.client().run(|| std::net::TcpStream::connect((IpAddr::V4(WORLD_V4), 5201)).is_ok())? {
            if let Some(status) = server.child.try_wait().context("asking whether iperf3 has ended")? {
                bail!("the iperf3 server ended ({status})");
            }
            ensure!(start.elapsed() < START, "the iperf3 server did not listen within {START:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bits a second that arrive at the server from a client in `cgroup`.
pub fn flow(lab: &Lab, _to: &Server, cgroup: &Cgroup, seconds: u32) -> Result<f64> {
    let last = std::thread::available_parallelism().map_or(0, |count| usize::from(count) - 1);
    let output = lab
        .client()
        .command_in(cgroup, "iperf3")
        .args(["-c", &WORLD_V4.to_string(), "-t", &seconds.to_string(), "-J"])
        // Each end on a processor of its own: where the scheduler would put them differs from flow to flow.
        .args(["-A", &format!("0,{last}")])
        .output()
        .context("running iperf3: install it (apt-get install iperf3)")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&said).with_context(|| format!("reading {said:?} of iperf3"))?;
    let rate = answer["end"]["sum_received"]["bits_per_second"].as_f64();
    rate.with_context(|| format!("iperf3 told no rate: {}", answer["error"]))
}
