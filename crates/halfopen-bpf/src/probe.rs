//! Whether this host has what the limit needs: each probe tries it for real.

use crate::decode::records::Shortcoming;
use crate::error::{KernelError, is_permitted};
use crate::limiter::Limiter;
use crate::limiter::walk::restore_everywhere;
use crate::load::{load, rto_max_settable};
use crate::settings::{DenyRule, NameTrust, Settings};
use crate::sys::cgroup::CgroupDir;
use halfopen_policy::{Forwarded, Limits, Mode, RawTcp};
use libbpf_rs::libbpf_sys;
use libbpf_rs::query::ProgInfoIter;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It works. The text is a detail worth showing, or empty.
    Good(String),
    /// The limit holds without it; the text names what is lost.
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

/// Tries everything the limit needs on `cgroup` (the root if `None`) and leaves nothing behind.
#[must_use]
pub fn probes(cgroup: Option<&Path>) -> Vec<Probe> {
    let dir = cgroup.map_or_else(CgroupDir::root, CgroupDir::open);
    let mut probes = vec![
        Probe { name: "privilege", finding: privilege() },
        Probe { name: "kernel types (BTF)", finding: btf() },
        Probe { name: "bpf file system", finding: bpffs() },
    ];
    probes.push(Probe {
        name: "programs load",
        finding: or_missing(load(None, Settings::RECORDS).map(|_| String::new())),
    });
    match dir {
        Ok(dir) => {
            probes.push(Probe { name: "cgroup2", finding: Finding::Good(dir.path().display().to_string()) });
            probes.push(Probe { name: "hooks", finding: attach_and_leave(&dir) });
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
        Err(error) => Finding::Missing(error.in_full()),
    }
}

fn privilege() -> Finding {
    if is_permitted() {
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
            "/sys/fs/bpf is no bpf file system: with persist = true, `halfopen run` would fail to start; without, the \
             limit holds (to mount one: mount -t bpf bpf /sys/fs/bpf)"
                .to_owned(),
        ),
    }
}

/// Attaches everything to a temporary cgroup below `dir` that has no processes, and removes it again.
fn attach_and_leave(dir: &CgroupDir) -> Finding {
    let path = dir.path().join(format!("halfopen.probe-{}", std::process::id()));
    if let Err(source) = std::fs::create_dir(&path) {
        return or_missing(Err(KernelError::Bpf { doing: format!("creating {}", path.display()), source }));
    }
    let settings = Settings {
        enforce_until: None,
        mode: Mode::Enforce,
        raw_tcp: RawTcp::Refuse,
        forwarded: Forwarded::Allow,
        wakeups: false,
        records: Settings::RECORDS,
        exempt: Vec::new(),
        never_hold: Vec::new(),
        host: Limits::xp_sp2(),
        scopes: Vec::new(),
        interfaces: Vec::new(),
        // Only for its hooks: no process is in that cgroup.
        deny: vec![DenyRule {
            name: "probe".to_owned(),
            to: Vec::new(),
            except: Vec::new(),
            tcp: true,
            udp: true,
            ports: Vec::new(),
            mode: Mode::Audit,
        }],
        known_for: Duration::ZERO,
        names: NameTrust::Client,
        names_for: Duration::ZERO,
    };
    let tried = CgroupDir::open(&path).and_then(|probe| {
        let limiter = Limiter::start(&probe, &settings, None)?;
        let wanting: Vec<String> = limiter.not_attached().map(|(_, why)| why.to_owned()).collect();
        limiter.let_go(restore_everywhere).map(|_| wanting)
    });
    // No process was ever in it, so an error means that it is gone already.
    let _ = std::fs::remove_dir(&path);
    match tried {
        Ok(wanting) if wanting.is_empty() => Finding::Good(String::new()),
        Ok(wanting) => Finding::Degraded(format!(
            "the limit holds, but what needs these has no effect: {}",
            wanting.join("; ")
        )),
        Err(error) => or_missing(Err(error)),
    }
}

/// The kernel's names for the limiter's own programs.
const OURS: [&str; 10] = [
    "on_egress",
    "on_setsockopt",
    "on_getsockopt",
    "on_sock_op",
    "on_connect4",
    "on_connect6",
    "deny_connect4",
    "deny_connect6",
    "deny_sendmsg4",
    "deny_sendmsg6",
];
const HOOKS: [(&str, u32); 6] = [
    ("sock_ops", libbpf_sys::BPF_CGROUP_SOCK_OPS),
    ("egress", libbpf_sys::BPF_CGROUP_INET_EGRESS),
    ("connect4", libbpf_sys::BPF_CGROUP_INET4_CONNECT),
    ("connect6", libbpf_sys::BPF_CGROUP_INET6_CONNECT),
    ("setsockopt", libbpf_sys::BPF_CGROUP_SETSOCKOPT),
    ("getsockopt", libbpf_sys::BPF_CGROUP_GETSOCKOPT),
];

/// Looks for other programs on the limiter's hooks, on `dir` and above it: they run beside the limiter's, and
/// a sock_ops program may clear callbacks or change timers.
fn others(dir: &CgroupDir) -> Finding {
    let names: HashMap<u32, String> = ProgInfoIter::default()
        .map(|program| (program.id, program.name.to_string_lossy().into_owned()))
        .collect();
    let mut beside = Vec::new();
    let mut in_the_way = Vec::new();
    for cgroup in dir.and_above() {
        for (hook, number) in HOOKS {
            let Some((ids, flags)) = attached(&cgroup, number) else {
                return Finding::Degraded(format!(
                    "the programs at {hook} of {} cannot be listed: run as root",
                    cgroup.path().display()
                ));
            };
            // The kernel runs the limiter's program beside others with MULTI, and in place of one with
            // OVERRIDE further up.
            let shared = flags & libbpf_sys::BPF_F_ALLOW_MULTI != 0;
            let overridden = flags & libbpf_sys::BPF_F_ALLOW_OVERRIDE != 0 && cgroup.path() != dir.path();
            for id in ids {
                let name = names.get(&id).map_or("program", String::as_str);
                let told = format!("{name} (id {id}) at {hook} of {}", cgroup.path().display());
                if !shared && !overridden {
                    in_the_way.push(told);
                } else if overridden {
                    beside.push(format!("{told}, not run where ours is (BPF_F_ALLOW_OVERRIDE)"));
                } else if !OURS.contains(&name) {
                    beside.push(told);
                }
            }
        }
    }
    match (in_the_way.as_slice(), beside.as_slice()) {
        ([], []) => Finding::Good("none on our hooks".to_owned()),
        ([], beside) => Finding::Good(format!("{}; they run beside ours, egress decides", beside.join(", "))),
        (in_the_way, _) => Finding::Missing(format!(
            "{}: attached exclusively, so ours is refused: have it attached with BPF_F_ALLOW_MULTI, or detached",
            in_the_way.join(", ")
        )),
    }
}

/// The programs attached to a cgroup itself, and their attach flags; `None` if the kernel does not tell.
fn attached(cgroup: &CgroupDir, hook: u32) -> Option<(Vec<u32>, u32)> {
    let mut ids = [0_u32; 64];
    let mut count = ids.len() as u32;
    let mut flags = 0;
    // SAFETY: the kernel writes at most `count` ids into the array that is given, and the number it has written.
    let failed = unsafe {
        libbpf_sys::bpf_prog_query(
            cgroup.as_fd().as_raw_fd(),
            hook,
            0,
            &raw mut flags,
            ids.as_mut_ptr(),
            &raw mut count,
        )
    };
    (failed == 0).then(|| (ids[..count as usize].to_vec(), flags))
}

fn long_waits() -> Finding {
    if rto_max_settable() {
        Finding::Good(String::new())
    } else {
        Finding::Degraded(Shortcoming::RtoMaxNotSettable.explain().to_owned())
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
