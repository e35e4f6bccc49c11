//! Prometheus scrapes targets of which most are gone.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::page::web_server;
use testkit::{HostKind, Lab, Mix, Service};

use super::unpacked::unpacked;
use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task, without_places};

pub const TARGETS: Program = Program {
    name: "prometheus",
    asked: "Scrape 300 targets every 15 s, with ten seconds for each; 100 are alive, the others are dead. \
            The time is until all of these are up",
    unit: "targets up",
    wan: true,
    prepare: scrape,
};

const LIVE: usize = 100;
const DEAD: usize = 200;
/// Of the targets; that of Prometheus' own exporter.
const PORT: u16 = 9100;
/// Where Prometheus says how far it is.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// Between two questions.
const STEP: Duration = Duration::from_millis(100);

fn scrape(lab: &Lab) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for Prometheus")?;
    let root = directory.path().join("root");
    fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
    fs::write(root.join("metrics"), "# TYPE lab_works gauge\nlab_works 1\n").context("writing metrics")?;
    let web = web_server(lab, directory.path(), PORT)?;
    let hosts = lab.draw(&Mix { live: LIVE, dead: DEAD, ..Mix::default() })?;
    let live: Vec<_> = hosts.of(HostKind::Live).iter().map(|host| target(host.ip())).collect();
    let targets: Vec<_> = hosts.all().iter().map(|host| host.address).collect();
    configure(directory.path(), &targets)?;
    let go = move |cgroup: &_| {
        let _web = web;
        let start = Instant::now();
        let mut command = lab.client().command_in(cgroup, unpacked("prometheus", "usr/bin", "prometheus"));
        command.current_dir(directory.path()).env("HOME", directory.path());
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={API}"));
        // It listens before it can be asked.
        let is_ready = || answer(lab, "/-/ready").is_ok_and(|said| said.starts_with("HTTP/1.0 200"));
        let _prometheus = Service::start(&mut command, is_ready)?;
        let mut got = 0;
        while got < LIVE && start.elapsed() < LIMIT {
            std::thread::sleep(STEP);
            got = up(lab)?;
        }
        let time = start.elapsed();
        Ok(Outcome { time, in_time: got == LIVE, got, of: LIVE, errors: errors(lab, &live)? })
    };
    Ok(Task { go: Box::new(go), targets })
}

fn target(address: IpAddr) -> String {
    SocketAddr::new(address, PORT).to_string()
}

/// Its defaults are a minute for both.
fn configure(directory: &Path, targets: &[IpAddr]) -> Result<()> {
    let targets: Vec<_> = targets.iter().map(|address| format!("'{}'", target(*address))).collect();
    let text = format!(
        "global:\n  scrape_interval: 15s\n  scrape_timeout: 10s\nscrape_configs:\n  - job_name: lab\n    \
         static_configs:\n      - targets: [{}]\n",
        targets.join(", ")
    );
    fs::write(directory.join("prometheus.yml"), text).context("writing prometheus.yml")
}

/// How many targets were up when they were last scraped.
fn up(lab: &Lab) -> Result<usize> {
    let said = ask(lab, "/api/v1/query?query=sum(up)")?;
    // Before the first scrape there is nothing to add up.
    let sum = said["data"]["result"][0]["value"][1].as_str().unwrap_or("0");
    sum.parse().with_context(|| format!("Prometheus says {sum} of its targets are up"))
}

/// Why live targets are not up.
fn errors(lab: &Lab, live: &[String]) -> Result<Vec<String>> {
    let said = ask(lab, "/api/v1/targets?state=active")?;
    let targets = said["data"]["activeTargets"].as_array().context("Prometheus shows no targets")?;
    let is_live = |target: &&Value| live.iter().any(|name| target["labels"]["instance"] == name.as_str());
    let errors = targets.iter().filter(is_live).filter_map(|target| target["lastError"].as_str());
    let mut errors: Vec<_> = errors.filter(|error| !error.is_empty()).map(without_places).collect();
    errors.sort();
    errors.dedup();
    Ok(errors)
}

fn ask(lab: &Lab, what: &str) -> Result<Value> {
    let answer = answer(lab, what)?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("Prometheus says {answer}"))?;
    serde_json::from_str(body).with_context(|| format!("Prometheus says {answer}"))
}

/// What it says over the loopback, where its user's browser asks it.
fn answer(lab: &Lab, what: &str) -> Result<String> {
    lab.client().run(|| {
        let mut stream = TcpStream::connect(API).context("calling Prometheus")?;
        stream.set_read_timeout(Some(LIMIT)).context("setting a timeout")?;
        let request = format!("GET {what} HTTP/1.0\r\nHost: {API}\r\n\r\n");
        stream.write_all(request.as_bytes()).context("asking Prometheus")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("reading what Prometheus says")?;
        Ok(answer)
    })?
}
