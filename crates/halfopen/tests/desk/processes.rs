//! What the kernel tells of a process.

use std::collections::BTreeMap;
use std::fs;

/// The lines of /proc/PID/status; `None` once it has ended.
pub fn state(pid: u32) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let state: BTreeMap<_, _> = lines
        .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    // One that nobody has waited for has ended all the same.
    (!state["State"].starts_with('Z')).then_some(state)
}

/// The processes that `pid` has started.
pub fn children(pid: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| state(*child).is_some_and(|state| state["PPid"] == pid.to_string())).collect()
}
