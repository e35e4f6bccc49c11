//! How far a running daemon is sandboxed, as the kernel shows it, and what it reports as degraded.

use super::doctor_check::{Check, CheckResult};
use crate::control::{Answer, Client, Degradation, FaultStatus, Request};
use crate::lock::holder;
use crate::runtime_dir::RuntimeDir;
use halfopen_bpf::Fault;
use std::fs;
use std::time::Duration;

/// How long the daemon may take to answer. `doctor` is for hosts where something is wrong, so this is short.
const PATIENCE: Duration = Duration::from_secs(2);

/// A check for each finding; none if no daemon runs.
pub fn checks() -> Vec<Check> {
    let directory = RuntimeDir::of_this_host();
    let Some(pid) = holder(&directory).ok().flatten().and_then(|holder| holder.pid) else {
        return Vec::new();
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut checks = vec![sandboxed(pid, &status)];
    let mut degraded =
        |why: String| checks.push(Check::new(CheckResult::Degraded, "the running daemon", why));
    let asked =
        Client::ask(&directory, &Request::Status, Some(PATIENCE)).and_then(|mut client| client.answer());
    match asked {
        Ok(Answer::Status(status)) => {
            let own = status.degraded.into_iter().filter(|found| !is_said_elsewhere(found.reason));
            own.for_each(|found| degraded(found.explanation));
            checks.extend(status.faults.iter().filter_map(of_connections));
        }
        Ok(_) => degraded("it is of another version: restart it".to_owned()),
        Err(e) => degraded(e.to_string()),
    }
    checks
}

/// What connections there was no room to count.
fn of_connections(found: &FaultStatus) -> Option<Check> {
    let faults = [Fault::NoConnection, Fault::DestinationShared];
    let fault = faults.into_iter().find(|fault| fault.name() == found.fault)?;
    let detail = format!("{} ({} times); {}", fault.explain(), found.count, fault.advice());
    Some(Check::new(CheckResult::Degraded, "limits on connections", detail))
}

/// The user chose it, or `doctor` finds it by itself.
fn is_said_elsewhere(reason: Degradation) -> bool {
    matches!(reason, Degradation::Audit | Degradation::Off | Degradation::ConntrackNearlyFull)
}

fn sandboxed(pid: u32, status: &str) -> Check {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace().next().unwrap_or_default()
    };
    let has = [
        (field("CapPrm").bytes().any(|digit| digit != b'0'), "capabilities"),
        (field("NoNewPrivs") != "1", "the right to gain privileges"),
        (field("Seccomp") != "2", "every system call"),
    ];
    let has: Vec<&str> = has.into_iter().filter_map(|(has, what)| has.then_some(what)).collect();
    let who = format!("the running daemon (pid {pid}, uid {})", field("Uid"));
    if has.is_empty() {
        Check::new(CheckResult::Good, who, "no capabilities, no_new_privs, seccomp")
    } else {
        Check::new(CheckResult::Degraded, who, format!("it still has {}", has.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_no_room_to_count_is_told_with_advice() {
        let fault = |fault: Fault| FaultStatus {
            fault: fault.name().to_owned(),
            count: 7,
            explanation: fault.explain().to_owned(),
        };
        let told = of_connections(&fault(Fault::NoConnection)).unwrap().to_string();
        assert!(told.starts_with("degraded  limits on connections: there was no room"), "{told}");
        assert!(told.contains("(7 times); find with `halfopen report`"), "{told}");
        assert!(of_connections(&fault(Fault::DestinationShared)).is_some());
        assert_eq!(of_connections(&fault(Fault::EventLost)), None);
    }

    #[test]
    fn what_it_still_has_is_named() {
        let sandboxed = "Uid:\t990\t990\t990\t990\nCapPrm:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        assert_eq!(
            self::sandboxed(7, sandboxed).to_string(),
            "good      the running daemon (pid 7, uid 990): no capabilities, no_new_privs, seccomp"
        );
        let told = self::sandboxed(
            7,
            &sandboxed.replace("0000\nNo", "0400\nNo").replace("Seccomp:\t2", "Seccomp:\t0"),
        );
        assert_eq!(
            told.to_string(),
            "degraded  the running daemon (pid 7, uid 990): it still has capabilities, every system call"
        );
    }
}
