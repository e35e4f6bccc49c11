//! The time that the egress program, and the ingress program where DNS answers are read, take for a packet of an
//! established connection: by test runs, and by the kernel's statistics over a flow, both less what a program that does
//! nothing takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::bpf_stats::{self, Kept};
use crate::kernel::idle_programs::{self, IdlePrograms};
use crate::kernel::report::{Aim, Row};
use crate::kernel::throughput::{Server, flow};

const MOST_NS: f64 = 15.0;
const TEST_RUNS: usize = 30;
const REPEATS: &str = "200000";
const FLOWS: usize = 8;
const FLOW_SECONDS: u32 = 1;

/// The socket of a test run is a full one that is closed: it takes the way of an established connection's.
pub fn by_test_runs() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let limiter = reading_names(&lab)?;
    let _idle = IdlePrograms::attach(lab.cgroup())?;
    let programs = bpf_stats::of(lab.cgroup())?;
    let id = |name: &str| {
        programs.get(name).map(|runs| runs.id).with_context(|| format!("{name} is not attached"))
    };
    let directory = tempfile::tempdir().context("making a directory for the packet")?;
    let packet = directory.path().join("packet");
    std::fs::write(&packet, ethernet_frame()).with_context(|| format!("writing {}", packet.display()))?;
    let mut rows = Vec::new();
    for hook in ["egress", "ingress"] {
        let (program, idle) = (id(&format!("on_{hook}"))?, id(&format!("idle_{hook}"))?);
        let pairs = (0..TEST_RUNS).map(|_| Ok((test_run(program, &packet)?, test_run(idle, &packet)?)));
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let idle = Spread::of(pairs.iter().map(|pair| pair.1)).median();
        rows.push(Row {
            what: format!("{hook} program for a packet of an established flow, test run"),
            aim: Some(Aim::Below(MOST_NS)),
            value: Spread::of(pairs.iter().map(|(program, idle)| program - idle)),
            unit: " ns",
            decimals: 0,
            note: format!("an idle program takes {idle:.0} ns"),
        });
    }
    limiter.stop()?;
    Ok(rows)
}

fn reading_names(lab: &Lab) -> Result<Limiter> {
    Ok(Limiter::builder(lab).set("names", "client").set("resolvers", WORLD_V4).start()?)
}

/// An IPv4 packet with a TCP header; a test run looks at its ethernet and IP header only.
fn ethernet_frame() -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2]);
    frame.extend([0xc3, 0x50, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x72, 0x10, 0, 0, 0, 0]);
    frame
}

/// The mean of one run, in whole nanoseconds as the kernel gives it.
fn test_run(id: u32, packet: &Path) -> Result<f64> {
    let output = Command::new("bpftool")
        .args(["-j", "prog", "run", "id", &id.to_string(), "repeat", REPEATS, "data_in"])
        .arg(packet)
        .output()
        .context("running bpftool: install it (apt-get install bpftool)")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "bpftool: {said}{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value =
        serde_json::from_str(&said).with_context(|| format!("reading {said:?} of bpftool"))?;
    answer["duration"].as_f64().with_context(|| format!("no duration in {said:?} of bpftool"))
}

/// In the caches' state that the flow itself leaves: copying its data drives the program's out of them.
pub fn by_statistics() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let limiter = reading_names(&lab)?;
    let _idle = IdlePrograms::attach(lab.cgroup())?;
    let server = Server::start(&lab)?;
    let _kept = Kept::begin()?;
    let mut each = BTreeMap::<_, Vec<f64>>::new();
    let mut packets = BTreeMap::<_, u64>::new();
    for _ in 0..FLOWS {
        let before = bpf_stats::of(lab.cgroup())?;
        flow(&lab, &server, lab.cgroup(), FLOW_SECONDS)?;
        let runs = bpf_stats::between(&before, &bpf_stats::of(lab.cgroup())?);
        for hook in ["egress", "ingress"] {
            let program = format!("on_{hook}");
            let ran = runs.get(&program).with_context(|| format!("{program} is not attached"))?;
            ensure!(ran.count > 0, "the flow passed no {program}");
            each.entry(hook).or_default().push(ran.each() - idle_programs::floor(&runs, &program));
            *packets.entry(hook).or_default() += ran.count;
        }
    }
    limiter.stop()?;
    let row = |(hook, each): (&str, Vec<f64>)| Row {
        what: format!("{hook} program in an iperf3 flow, statistics"),
        aim: Some(Aim::Below(MOST_NS)),
        value: Spread::of(each),
        unit: " ns",
        decimals: 0,
        note: format!("{} packets", packets[hook]),
    };
    Ok(each.into_iter().map(row).collect())
}
