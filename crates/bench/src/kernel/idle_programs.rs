//! Programs that do nothing on the limiter's hooks, to know what calling any program costs.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use libbpf_rs::{Link, Object, ObjectBuilder};
use testkit::Cgroup;

use crate::kernel::bpf_stats::Runs;

const SOURCE: &str = include_str!("idle.bpf.c");

/// Attached until dropped.
pub struct IdlePrograms {
    _links: Vec<Link>,
    _object: Object,
}

impl IdlePrograms {
    /// Attaches one to each hook of `cgroup` that a connection passes.
    pub fn attach(cgroup: &Cgroup) -> Result<Self> {
        let object =
            ObjectBuilder::default().open_memory(&compile()?).context("opening the idle programs")?;
        let object = object.load().context("loading the idle programs")?;
        let directory =
            File::open(cgroup.path()).with_context(|| format!("opening {}", cgroup.path().display()))?;
        let links = object
            .progs_mut()
            .map(|program| program.attach_cgroup(directory.as_raw_fd()))
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("attaching the idle programs to {}", cgroup.path().display()))?;
        Ok(Self { _links: links, _object: object })
    }
}

/// What the statistics show of the hook that `program` of the limiter is attached to, when nothing is done there: the
/// mean of one run, in nanoseconds.
pub fn floor(runs: &BTreeMap<String, Runs>, program: &str) -> f64 {
    let idle = runs.get(&program.replacen("on_", "idle_", 1)).or_else(|| runs.get("idle_sock_op"));
    idle.filter(|runs| runs.count > 0).map_or(0.0, |runs| runs.each())
}

fn compile() -> Result<Vec<u8>> {
    let directory = tempfile::tempdir().context("making a directory to compile in")?;
    let (source, compiled) = (directory.path().join("idle.bpf.c"), directory.path().join("idle.bpf.o"));
    std::fs::write(&source, SOURCE).with_context(|| format!("writing {}", source.display()))?;
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let output = Command::new(&clang)
        .args(["-O2", "-g", "-target", "bpf", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&compiled)
        .output()
        .with_context(|| format!("running {clang}: install clang, or set CLANG to its path"))?;
    ensure!(output.status.success(), "{clang}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&compiled).with_context(|| format!("reading {}", compiled.display()))
}
