//! What the kernel tells of a process, and the two processes that keep root for a daemon.

use super::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};
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

/// The process of this name that `pid` has started.
pub fn child_called(pid: u32, name: &str) -> Option<u32> {
    children(pid).into_iter().find(|child| state(*child).is_some_and(|state| state["Name"] == name))
}

/// A daemon's privileged helper: the process that answers, and the one that starts it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Helper {
    pub keeper: u32,
    pub helper: u32,
}

impl Helper {
    /// That of the daemon `pid`, once it is there.
    pub fn of(pid: u32) -> Self {
        until("the privileged helper", PATIENCE, || {
            let keeper = child_called(pid, "halfopen-keeper")?;
            let helper = child_called(keeper, "halfopen-helper")?;
            Some(Self { keeper, helper })
        })
    }

    /// Ends the one that answers.
    pub fn kill_helper(self) {
        kill(self.helper, Signal::KILL);
    }

    /// Ends both, so that nobody is left to start it again.
    pub fn kill_for_good(self) {
        kill(self.keeper, Signal::KILL);
        kill(self.helper, Signal::KILL);
    }

    /// Waits until both have ended.
    pub fn await_end(self) {
        until("the privileged helper to end", PATIENCE, || {
            (state(self.keeper).is_none() && state(self.helper).is_none()).then_some(())
        });
    }
}

pub fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}
