//! How often the programs attached to a cgroup ran, and for how long, by the kernel's own statistics.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use libbpf_rs::query::{LinkInfoIter, LinkTypeInfo, ProgInfoIter};
use testkit::Cgroup;

const SYSCTL: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel keeps statistics while this lives. Each run of a program then takes some 50 ns more, part of which the
/// statistics show as the program's own.
pub struct Kept {
    before: String,
}

impl Kept {
    pub fn begin() -> Result<Self> {
        let before = fs::read_to_string(SYSCTL).with_context(|| format!("reading {SYSCTL}"))?;
        fs::write(SYSCTL, "1").with_context(|| format!("writing 1 to {SYSCTL}"))?;
        Ok(Self { before })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SYSCTL, &self.before) {
            eprintln!("{SYSCTL} is still 1: {error}");
        }
    }
}

/// What one program has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    pub id: u32,
    pub count: u64,
    pub nanoseconds: u64,
}

impl Runs {
    /// The mean of one run, in nanoseconds.
    pub fn each(self) -> f64 {
        self.nanoseconds as f64 / self.count.max(1) as f64
    }
}

impl Sub for Runs {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            id: self.id,
            count: self.count - before.count,
            nanoseconds: self.nanoseconds - before.nanoseconds,
        }
    }
}

/// The programs attached to `cgroup` by links, by their names.
pub fn of(cgroup: &Cgroup) -> Result<BTreeMap<String, Runs>> {
    let path = cgroup.path();
    // A cgroup's id is the inode number of its directory.
    let id = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?.ino();
    let attached: Vec<u32> = LinkInfoIter::default()
        .filter(|link| matches!(&link.info, LinkTypeInfo::Cgroup(link) if link.cgroup_id == id))
        .map(|link| link.prog_id)
        .collect();
    let programs = ProgInfoIter::default().filter(|program| attached.contains(&program.id));
    Ok(programs
        .map(|program| {
            let runs = Runs { id: program.id, count: program.run_cnt, nanoseconds: program.run_time_ns };
            (program.name.to_string_lossy().into_owned(), runs)
        })
        .collect())
}

/// What the programs have done between two looks.
pub fn between(before: &BTreeMap<String, Runs>, after: &BTreeMap<String, Runs>) -> BTreeMap<String, Runs> {
    let since = |(name, runs): (&String, &Runs)| {
        (name.clone(), *runs - before.get(name).copied().unwrap_or_default())
    };
    after.iter().map(since).collect()
}
