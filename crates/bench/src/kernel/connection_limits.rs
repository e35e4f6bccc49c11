//! What limits on connections cost each connection: one process makes connections in short rounds, in a cgroup whose
//! account has such limits and in one whose account has none, by turns, under one limiter.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Cgroup, Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::connector::Connector;
use crate::kernel::report::{Aim, Row};

const PAIRS: usize = 300;
const ROUND: Duration = Duration::from_millis(40);
/// More time for a connection with all of them, in nanoseconds.
const MOST_NS: f64 = 150.0;

/// Limits that are asked about each connection, and hold none back.
const CASES: [(&str, &[&str]); 5] = [
    ("none, in another account", &[]),
    ("connect_rate", &[RATE]),
    ("established", &[ESTABLISHED]),
    ("per_destination", &[PER_DESTINATION]),
    ("all three", &[RATE, ESTABLISHED, PER_DESTINATION]),
];
const RATE: &str = "connect_rate = \"1000000/s\"";
const ESTABLISHED: &str = "established = 100000";
const PER_DESTINATION: &str =
    "per_destination = { half_open = 10000, connect_rate = \"1000000/s\", established = 100000 }";

pub fn measure() -> Result<Vec<Row>> {
    CASES.iter().map(|(name, limits)| compare(name, limits)).collect()
}

fn compare(name: &str, limits: &[&str]) -> Result<Row> {
    let lab = Lab::new()?;
    let (tenant, plain) = (lab.cgroup().child("limited")?, lab.cgroup().child("plain")?);
    let directory = tempfile::tempdir().context("making a directory for the configuration")?;
    let config = directory.path().join("halfopen.toml");
    let text = format!(
        "preset = \"none\"\n{}{}\n{}",
        scope("limited", &lab, &tenant),
        limits.join("\n"),
        scope("plain", &lab, &plain)
    );
    fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
    let limiter = Limiter::builder(&lab).config(&config).start()?;
    let mut connector = Connector::start(&plain, lab.world(), lab.client(), IpAddr::V4(WORLD_V4))?;
    connector.listen()?;
    let mut more = Vec::new();
    for _ in 0..PAIRS {
        let with = connector.connect(&tenant, 0, ROUND)?.each;
        let without = connector.connect(&plain, 0, ROUND)?.each;
        more.push(with.as_secs_f64() * 1e9 - without.as_secs_f64() * 1e9);
    }
    limiter.stop()?;
    let value = Spread::of(more);
    let note = format!("half of the pairs within {:.0} to {:.0}", value.quantile(0.25), value.quantile(0.75));
    let aim = (name == "all three").then_some(Aim::Below(MOST_NS));
    Ok(Row { what: format!("more for a connection: {name}"), aim, value, unit: " ns", decimals: 0, note })
}

/// A rule with an account for one cgroup.
fn scope(name: &str, lab: &Lab, cgroup: &Cgroup) -> String {
    let last = |cgroup: &Cgroup| cgroup.path().file_name().map(|name| name.to_string_lossy().into_owned());
    let path = [last(lab.cgroup()), last(cgroup)].into_iter().flatten().collect::<Vec<_>>().join("/");
    format!(
        "[[scope]]\nname = \"{name}\"\nper = \"cgroup\"\nmatch = {{ cgroup = \"/{path}\" }}\nhalf_open = 1000\n"
    )
}
