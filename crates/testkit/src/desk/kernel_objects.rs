//! The programs, maps and links that a process has in the kernel, and whether they are gone.

use super::{PATIENCE, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// What each kind is called by bpftool, and by the kernel in /proc/PID/fdinfo.
const KINDS: [(&str, &str); 3] = [("prog", "prog_id:"), ("map", "map_id:"), ("link", "link_id:")];

/// The numbers of kernel objects, by kind. The kernel gives no number twice for a long time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelObjects(BTreeMap<&'static str, BTreeSet<u64>>);

impl KernelObjects {
    /// Those that the process has open, which are at least one of each kind if it limits anything.
    pub fn of(pid: u32) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            for (kind, field) in KINDS {
                // A link tells the number of its program too, which the process need not have open.
                let id: Option<u64> =
                    text.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok());
                found.0.entry(kind).or_default().extend(id);
            }
        }
        assert!(found.0.values().all(|ids| !ids.is_empty()), "process {pid} limits nothing: {found:?}");
        found
    }

    /// Waits until the kernel has none of them any more; it frees maps a little after their last use.
    pub fn await_gone(&self) {
        for (kind, ids) in &self.0 {
            until(&format!("every {kind} of {ids:?} to be gone"), PATIENCE, || {
                self::all(kind).is_disjoint(ids).then_some(())
            });
        }
    }
}

fn all(kind: &str) -> BTreeSet<u64> {
    let output = Command::new("bpftool").args(["-j", kind, "show"]).output().unwrap();
    let list: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    list.iter().filter_map(|object| object["id"].as_u64()).collect()
}
