//! seccomp: the system calls that the sandboxed process may still make. Any other call fails with `EPERM` instead of
//! killing the process: a newer C library that makes one more call must not end a working limiter, and a refused call
//! gives an attacker no more than a fatal one.

use super::{Part, SandboxError};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};
use std::collections::BTreeMap;

/// Allowed whatever their arguments.
const ANY: &[i64] = &[
    // The event loop: readiness, timers, and what the runtime library needs for threads.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_timerfd_settime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Descriptors, and the files that Landlock still allows.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_statx,
    libc::SYS_write,
    libc::SYS_writev,
];

/// For the daemon alone.
const OF_DAEMON: &[i64] = &[
    // Sockets: control socket, system log, service manager, privileged helper.
    libc::SYS_accept4,
    // For the raw sockets that the privileged helper makes, bound to the address at which a waiter is woken. The rule
    // for socket() below keeps the process from making others.
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // To wait for the end of the privileged helper.
    libc::SYS_wait4,
    libc::SYS_waitid,
];

/// For the recorder alone: the daemon's messages, and files.
const OF_RECORDER: &[i64] = &[
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_openat,
    libc::SYS_pwrite64,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
];

/// For the dashboard's process alone: sockets that are open already, and those that clients open.
const OF_DASHBOARD: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// For the process that sends events: connections to a collector, and what getaddrinfo() does. The rules for socket(),
/// openat() and ioctl() below say more.
const OF_EXPORTER: &[i64] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_uname,
];

/// Older forms of calls allowed above, which only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLD_NAMES: &[i64] = &[libc::SYS_epoll_wait, libc::SYS_poll];
#[cfg(target_arch = "x86_64")]
const OLD_NAMES_OF_RECORDER: &[i64] = &[
    libc::SYS_access,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_stat,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES: &[i64] = &[];
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES_OF_RECORDER: &[i64] = &[];

/// The allowed commands of bpf(2), all on descriptors that the process already has: read and write maps, walk, and ask
/// what a descriptor is. `enum bpf_cmd` of linux/bpf.h. Not allowed: load, make maps, attach, pin, open by number.
const BPF: [u64; 9] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
    24, // BPF_MAP_LOOKUP_BATCH
    26, // BPF_MAP_UPDATE_BATCH
    27, // BPF_MAP_DELETE_BATCH
    33, // BPF_ITER_CREATE
];

/// Forbids all other calls. `false` if this kernel or architecture has no seccomp filters.
///
/// # Errors
/// If the kernel has filters but refuses this one.
pub fn allow_only_needed(part: Part) -> Result<bool, SandboxError> {
    let refused =
        |reason: String| SandboxError::Rules { doing: "cannot restrict system calls with seccomp", reason };
    let Ok(architecture) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    let filter = filter(architecture, part).map_err(|e| refused(e.to_string()))?;
    match apply_filter(&filter) {
        Ok(()) => Ok(true),
        // A kernel without CONFIG_SECCOMP_FILTER.
        Err(Error::Prctl(e) | Error::Seccomp(e)) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => Err(refused(e.to_string())),
    }
}

fn filter(architecture: TargetArch, part: Part) -> Result<BpfProgram, BackendError> {
    let own = match part {
        Part::Daemon => [OF_DAEMON, &[]],
        Part::Recorder => [OF_RECORDER, OLD_NAMES_OF_RECORDER],
        Part::Dashboard => [OF_DASHBOARD, &[]],
        Part::Exporter => [OF_EXPORTER, &[]],
    };
    let calls = [ANY, OLD_NAMES].into_iter().chain(own).flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|call| (*call, Vec::new())).collect();
    match part {
        Part::Daemon => rules.extend(of_daemon()?),
        Part::Exporter => rules.extend(of_exporter()?),
        Part::Recorder | Part::Dashboard => {}
    }
    // No memory becomes executable.
    let not_executable = || {
        let executable = libc::PROT_EXEC as u64;
        SeccompRule::new(vec![SeccompCondition::new(2, Dword, MaskedEq(executable), 0)?])
    };
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    // Rust's standard library makes sockets non-blocking this way.
    let non_blocking = SeccompRule::new(vec![SeccompCondition::new(1, Dword, Eq, libc::FIONBIO)?])?;
    rules.entry(libc::SYS_ioctl).or_default().push(non_blocking);
    // Only to itself: abort() ends a process this way.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![first_is(own)?]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?.try_into()
}

/// The rules for calls that only the daemon makes, or that it may make with some arguments only.
fn of_daemon() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules = BTreeMap::new();
    rules.insert(libc::SYS_bpf, BPF.into_iter().map(first_is).collect::<Result<_, _>>()?);
    rules.insert(libc::SYS_socket, vec![first_is(libc::AF_UNIX as u64)?]);
    rules.insert(libc::SYS_openat, vec![reads_only()?]);
    Ok(rules)
}

/// The same for the process that sends events.
fn of_exporter() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let netlink = [
        SeccompCondition::new(0, Dword, Eq, libc::AF_NETLINK as u64)?,
        SeccompCondition::new(2, Dword, Eq, libc::NETLINK_ROUTE as u64)?,
    ];
    let sockets = [
        first_is(libc::AF_INET as u64)?,
        first_is(libc::AF_INET6 as u64)?,
        // getaddrinfo() asks which addresses this host has, to sort those of others.
        SeccompRule::new(netlink.to_vec())?,
    ];
    // How long the next datagram is.
    let length = SeccompRule::new(vec![SeccompCondition::new(1, Dword, Eq, libc::FIONREAD)?])?;
    Ok(BTreeMap::from([
        (libc::SYS_socket, sockets.to_vec()),
        (libc::SYS_openat, vec![reads_only()?]),
        (libc::SYS_ioctl, vec![length]),
    ]))
}

/// openat() that does not write, even without Landlock.
fn reads_only() -> Result<SeccompRule, BackendError> {
    let writes = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
    SeccompRule::new(vec![SeccompCondition::new(2, Dword, MaskedEq(writes), 0)?])
}

fn first_is(value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(0, Dword, Eq, value)?])
}
