//! Whether this host can do what the limit needs: each probe tries it for real.

use crate::limiter::{Limiter, load, rto_max_settable};
use crate::{CgroupDir, KernelError, Settings};
use halfopen_policy::{Limits, Mode, RawTcp};
use libbpf_rs::libbpf_sys;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It works. The detail is worth showing or empty.
    Good(String),
    /// The limit holds without it, with the loss that is named.
    Degraded(String),
    /// The limit cannot be enforced; the text says what to do.
    Missing(String),
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried, in a few words.
    pub name: &'static str,
    /// How it went.
    pub finding: Finding,
}

/// Tries everything the limit needs on `cgroup` (the root where `None`) and leaves nothing behind.
#[must_use]
pub fn probes(cgroup: Option<&Path>) -> Vec<Probe> {
    let dir = cgroup.map_or_else(CgroupDir::root, CgroupDir::open);
    let mut probes = vec![
        Probe { name: "privilege", finding: privilege() },
        Probe { name: "kernel types (BTF)", finding: btf() },
        Probe { name: "bpf file system", finding: bpffs() },
    ];
    probes.push(Probe { name: "programs load", finding: or_missing(load().map(|_| String::new())) });
    match dir {
        Ok(dir) => {
            probes.push(Probe { name: "cgroup2", finding: Finding::Good(dir.path().display().to_string()) });
            probes.push(Probe { name: "hooks", finding: or_missing(attach_and_leave(&dir)) });
            probes.push(Probe { name: "other programs", finding: others(&dir) });
        }
        Err(error) => probes.push(Probe { name: "cgroup2", finding: or_missing(Err(error)) }),
    }
    probes.push(Probe { name: "long waits", finding: long_waits() });
    probes.push(Probe { name: "Multipath TCP", finding: mptcp() });
    probes
}

fn or_missing(tried: Result<String, KernelError>) -> Finding {
    match tried {
        Ok(detail) => Finding::Good(detail),
        Err(error) => Finding::Missing(error.to_string()),
    }
}

fn privilege() -> Finding {
    if rustix::process::geteuid().is_root() {
        Finding::Good(String::new())
    } else {
        Finding::Missing(KernelError::NotPermitted.to_string())
    }
}

fn btf() -> Finding {
    match std::fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(_) => Finding::Good(String::new()),
        Err(error) => Finding::Missing(format!(
            "reading /sys/kernel/btf/vmlinux: {error}: boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"
        )),
    }
}

fn bpffs() -> Finding {
    const BPF_FS_MAGIC: rustix::fs::FsWord = 0xcafe_4a11;
    match rustix::fs::statfs("/sys/fs/bpf") {
        Ok(fs) if fs.f_type == BPF_FS_MAGIC => Finding::Good(String::new()),
        _ => Finding::Degraded(
            "/sys/fs/bpf is no bpf file system: the limit holds, but could not outlive its process \
             (mount -t bpf bpf /sys/fs/bpf)"
                .to_owned(),
        ),
    }
}

/// Attaches everything to a cgroup of its own below `dir`, where nobody is, and takes it away again.
fn attach_and_leave(dir: &CgroupDir) -> Result<String, KernelError> {
    let path = dir.path().join(format!("halfopen.probe-{}", std::process::id()));
    std::fs::create_dir(&path)
        .map_err(|source| KernelError::Bpf { doing: format!("creating {}", path.display()), source })?;
    let settings =
        Settings { mode: Mode::Enforce, raw_tcp: RawTcp::Refuse, exempt: Vec::new(), host: Limits::xp_sp2() };
    let tried = CgroupDir::open(&path).and_then(|probe| Limiter::start(&probe, &settings)).and_then(Limiter::let_go);
    // Nobody ever was in it, so it can only be gone already.
    let _ = std::fs::remove_dir(&path);
    tried.map(|_| String::new())
}

/// Programs of others on our hooks: they run beside ours, and a sock_ops program may clear callbacks or change timers.
fn others(dir: &CgroupDir) -> Finding {
    const HOOKS: [(&str, u32); 4] = [
        ("sock_ops", libbpf_sys::BPF_CGROUP_SOCK_OPS),
        ("egress", libbpf_sys::BPF_CGROUP_INET_EGRESS),
        ("connect4", libbpf_sys::BPF_CGROUP_INET4_CONNECT),
        ("connect6", libbpf_sys::BPF_CGROUP_INET6_CONNECT),
    ];
    let found: Vec<String> = HOOKS
        .iter()
        .filter_map(|&(name, hook)| {
            let ids = attached(dir, hook);
            (!ids.is_empty()).then(|| format!("{name}: {ids:?}"))
        })
        .collect();
    if found.is_empty() {
        return Finding::Good("none".to_owned());
    }
    Finding::Good(format!(
        "attached to {}: program ids {} (ours among them while `halfopen run` is on); they run beside ours, egress decides",
        dir.path().display(),
        found.join(", ")
    ))
}

fn attached(dir: &CgroupDir, hook: u32) -> Vec<u32> {
    let mut ids = [0_u32; 64];
    let mut count = ids.len() as u32;
    let mut flags = 0;
    // SAFETY: the kernel writes at most `count` ids into the array that is given, and the number it has written.
    let failed = unsafe {
        libbpf_sys::bpf_prog_query(
            dir.as_fd().as_raw_fd(),
            hook,
            0,
            &raw mut flags,
            ids.as_mut_ptr(),
            &raw mut count,
        )
    };
    if failed == 0 { ids[..count as usize].to_vec() } else { Vec::new() }
}

fn long_waits() -> Finding {
    if rto_max_settable() {
        Finding::Good(String::new())
    } else {
        Finding::Degraded(
            "TCP_RTO_MAX_MS cannot be set (Linux 6.15 or newer): an attempt held for more than 30 s re-checks at steps \
             that double, and repeats its SYN late after its release"
                .to_owned(),
        )
    }
}

fn mptcp() -> Finding {
    match std::fs::read_to_string("/proc/sys/net/mptcp/enabled") {
        Ok(on) if on.trim() == "1" => Finding::Good(
            "an MPTCP attempt whose turn has not come at its second re-check goes on as plain TCP".to_owned(),
        ),
        _ => Finding::Good("not in use".to_owned()),
    }
}
