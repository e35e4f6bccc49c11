//! What can go wrong with the kernel, each with what to do about it.

use libbpf_rs::{ErrorKind, PrintLevel};
use rustix::thread::{CapabilitySet, capabilities};
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Once;

/// Why the limit cannot be enforced or the ledger not be read. What the kernel answered is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Not enough privilege to load programs.
    #[error(
        "no permission to load the kernel part: run as root (it needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and \
         CAP_SYS_ADMIN)"
    )]
    NotPermitted,
    /// The kernel lacks something; the sentence says what, and from which version on it is there.
    #[error("this kernel cannot enforce the limit: {0}")]
    Lacks(String),
    /// No cgroup2 hierarchy is mounted.
    #[error("no cgroup2 hierarchy is mounted: mount one (mount -t cgroup2 none /sys/fs/cgroup/unified)")]
    NoCgroup2,
    /// Only a part of the hierarchy can be seen: a limit there would be one of that part, and its rules would not match.
    #[error(
        "{}: not the root of this host's cgroups, but a part of them: {}",
        path.display(),
        if *own_namespace {
            "this process is in a cgroup namespace of its own, as containers are. Run it in the host's (podman or docker \
             run --cgroupns=host)"
        } else {
            "only this part is mounted. Mount the whole hierarchy (mount -t cgroup2 none /sys/fs/cgroup)"
        }
    )]
    PartOfCgroups {
        /// Where the part is mounted.
        path: PathBuf,
        /// Whether a cgroup namespace is the reason.
        own_namespace: bool,
    },
    /// The directory given is no cgroup of the version 2 hierarchy.
    #[error("{}: not a cgroup2 directory: name one below the cgroup2 mount", path.display())]
    NotACgroup {
        /// As it was given.
        path: PathBuf,
    },
    /// Another program is attached to one of our hooks and lets nobody else on.
    #[error(
        "cannot attach {hook} to {}: another program holds that hook exclusively, there or on a cgroup above: \
         find it with `halfopen doctor`, then attach it with BPF_F_ALLOW_MULTI or detach it",
        cgroup.display()
    )]
    HookTaken {
        /// The hook's name.
        hook: &'static str,
        /// Where it was to be attached.
        cgroup: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a program or map.
    #[error("{doing}")]
    Bpf {
        /// What was tried, on what.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The directory for pins is not in a BPF file system.
    #[error(
        "{}: no BPF file system is mounted there: mount one (mount -t bpf bpf /sys/fs/bpf), or set persist = false",
        path.display()
    )]
    NoBpffs {
        /// The directory above that of the pins.
        path: PathBuf,
    },
    /// A live daemon has the pins.
    #[error("{}: another halfopen daemon has its programs pinned there", path.display())]
    PinsInUse {
        /// The directory.
        path: PathBuf,
    },
    /// Some of what is pinned is missing.
    #[error(
        "{}: {missing} missing: what is left of the limit there may still hold attempts: run `halfopen off`, which lets \
         them go, or start the daemon",
        path.display()
    )]
    PinsIncomplete {
        /// The directory.
        path: PathBuf,
        /// The names of the missing files.
        missing: String,
    },
    /// What is pinned is of another layout.
    #[error(
        "{}: halfopen {version} has pinned maps of layout {theirs} there, and its limit is still in force; this \
         version has layout {ours} and cannot take them over: run `halfopen off` first (it lets every held attempt \
         go), or run version {version}",
        path.display()
    )]
    OtherLayout {
        /// The directory.
        path: PathBuf,
        /// The version that pinned them.
        version: String,
        /// Its layout.
        theirs: u32,
        /// This version's.
        ours: u32,
    },
    /// What is pinned limits another cgroup.
    #[error(
        "{}: pinned programs limit {theirs}, not {ours}: run `halfopen off` first, or name {theirs} with --cgroup",
        path.display()
    )]
    PinnedElsewhere {
        /// The directory.
        path: PathBuf,
        /// The cgroup that they limit.
        theirs: String,
        /// The one that was asked for.
        ours: String,
    },
    /// More exempt prefixes than there is room for.
    #[error("`exempt` has more than {0} prefixes: merge some into larger ones")]
    TooManyExempt(usize),
    /// More rules of `never_hold` than there is room for.
    #[error("`never_hold` has more than {0} rules: merge some, for example by naming a parent cgroup")]
    TooManyNeverHeld(usize),
    /// More rules of `[[deny]]` than there is room for.
    #[error("there are more than {0} rules of [[deny]]: merge some")]
    TooManyDenyRules(u32),
    /// More prefixes in `[[deny]]` than there is room for.
    #[error("the rules of [[deny]] have more than {0} prefixes: merge some into larger ones")]
    TooManyDenied(usize),
    /// More ports in a rule of `[[deny]]` than there is room for.
    #[error("deny.{rule}: a rule takes at most {most} ports and port ranges: split it into two rules")]
    TooManyPorts {
        /// The rule's name.
        rule: String,
        /// The room.
        most: usize,
    },
    /// A cgroup's path that no rule can name.
    #[error(
        "{0}: a rule names a cgroup by its path below the root, of at most 12 names with at most 58 bytes each"
    )]
    CgroupPath(String),
    /// A pattern that no rule can have.
    #[error(
        "{0}: a rule names cgroups by a path below the root, of at most 12 names and 255 bytes: begin the path with / \
         and shorten it"
    )]
    CgroupPattern(String),
    /// A name of a rule or an interface that does not fit.
    #[error("{name:?}: the name of a scope or an interface has 1 to {longest} bytes: choose a shorter one")]
    ScopeName {
        /// As it was given.
        name: String,
        /// In bytes.
        longest: usize,
    },
    /// More rules or interfaces than there is room for.
    #[error("too many rules in [[scope]] or [[interface]]: there is room for {most}: remove some")]
    TooManyScopes {
        /// The room.
        most: usize,
    },
    /// More patterns of cgroups than there is room for.
    #[error(
        "there is room for {0} patterns of cgroups in all [[scope]] together, and a rule without a pattern counts as \
         one: remove some"
    )]
    TooManyPatterns(usize),
    /// No number is free.
    #[error("attempts of removed rules still use all {most} scopes: try again once they have ended")]
    ScopesCharged {
        /// The room.
        most: usize,
    },
    /// No scope is free.
    #[error("all {0} scopes are in use: end a `halfopen exec` first")]
    ScopesFull(u32),
    /// No more accounts can be blocked by hand.
    #[error(
        "{0} accounts are blocked by hand already, and there is no room for more: end one with `halfopen release`"
    )]
    HandBlocksFull(u32),
}

impl KernelError {
    /// Whether privilege or the kernel itself is what is missing (exit code 3), and not a passing failure.
    #[must_use]
    pub fn cannot(&self) -> bool {
        matches!(
            self,
            Self::NotPermitted
                | Self::Lacks(_)
                | Self::NoCgroup2
                | Self::PartOfCgroups { .. }
                | Self::HookTaken { .. }
                | Self::NoBpffs { .. }
        )
    }

    /// libbpf could not load the programs, of which it has said so much; `permitted` = it was not for want of
    /// privilege. The verifier refuses with the same errno as a lack of privilege, and libbpf gives up for reasons of
    /// its own with those of the verifier: only its words tell which it was.
    pub(crate) fn refused_to_load(
        error: libbpf_rs::Error,
        permitted: bool,
        said: &[String],
        release: &str,
    ) -> Self {
        let reason = reason(said).unwrap_or_else(|| format!("{error:#}"));
        match error.kind() {
            ErrorKind::PermissionDenied if !permitted => Self::NotPermitted,
            ErrorKind::PermissionDenied
            | ErrorKind::InvalidInput
            | ErrorKind::NotFound
            | ErrorKind::TooBig
            | ErrorKind::Unsupported => {
                let age = if is_too_old(release) {
                    format!("; it is {release}, Linux 6.1 or newer is needed")
                } else {
                    String::new()
                };
                Self::Lacks(format!(
                    "it does not accept the programs ({reason}){age}; `halfopen doctor` tests each part, and \
                     RUST_LOG=debug logs what the verifier says"
                ))
            }
            _ => Self::Bpf {
                doing: format!("cannot load the kernel part ({reason})"),
                source: io::Error::other(error),
            },
        }
    }

    /// The message, and the kernel's answer behind it where there is one.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut told = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            told = format!("{told}: {error}");
            cause = error.source();
        }
        told
    }
}

/// Whether this process may load and attach what the kernel part is made of. Capabilities count in the first user
/// namespace only.
pub(crate) fn is_permitted() -> bool {
    /// `PROC_USER_INIT_INO`
    const FIRST_USER_NAMESPACE: u64 = 0xefff_fffd;
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    let capable = capabilities(None).is_ok_and(|held| held.effective.contains(needed));
    capable
        && std::fs::metadata("/proc/self/ns/user")
            .is_ok_and(|namespace| namespace.ino() == FIRST_USER_NAMESPACE)
}

/// Whether it is older than the first version that has all that is needed.
fn is_too_old(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (6, 1))
}

thread_local! {
    /// What libbpf has warned of on this thread since it was last forgotten.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What libbpf says (a refused program's last steps before the verifier, among others) is for those who look for it:
/// it goes to the log, at debug. Its warnings are kept for [`heard`].
pub(crate) fn hear_libbpf() {
    static HEARD: Once = Once::new();
    HEARD.call_once(|| {
        libbpf_rs::set_print(Some((PrintLevel::Info, |level, said| {
            said.lines().for_each(|line| tracing::debug!(target: "libbpf", "{line}"));
            if level == PrintLevel::Warn {
                WARNINGS.with_borrow_mut(|warnings| warnings.push(said));
            }
        })));
    });
    heard();
}

/// What libbpf has warned of on this thread since this or [`hear_libbpf`] was called last.
pub(crate) fn heard() -> Vec<String> {
    WARNINGS.take()
}

/// Why libbpf gave up, in its own words and the verifier's: the last two that are no mere consequence.
fn reason(said: &[String]) -> Option<String> {
    let told: Vec<&str> = said.iter().filter_map(|said| telling(said)).collect();
    let last = &told[told.len().saturating_sub(2)..];
    (!last.is_empty()).then(|| last.join(": "))
}

/// The line that tells something, of what libbpf says in one go: with the verifier's log that is what it refuses, and
/// stands before its statistics.
fn telling(said: &str) -> Option<&str> {
    const STATISTICS: [&str; 4] = ["processed ", "verification time ", "stack depth ", "peak_states "];
    let told = if said.contains("-- BEGIN PROG LOAD LOG --") {
        let mut lines = said.lines().rev().map(str::trim);
        lines.find(|line| {
            !(line.is_empty()
                || line.ends_with("LOAD LOG --")
                || STATISTICS.iter().any(|begins| line.starts_with(begins)))
        })?
    } else {
        said.trim().trim_start_matches("libbpf: ")
    };
    let follows = told.starts_with("failed to load ") || told.contains("': failed to load: ");
    (!follows && !told.is_empty()).then_some(told)
}

/// An error of libbpf's or the kernel's while `doing` something.
pub(crate) fn bpf(doing: &str, error: libbpf_rs::Error) -> KernelError {
    KernelError::Bpf { doing: doing.to_owned(), source: io::Error::other(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn refusal(errno: Errno) -> libbpf_rs::Error {
        libbpf_rs::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn a_refusal_is_told_once_with_the_kernel_s_answer() {
        let source = io::Error::from_raw_os_error(Errno::PERM.raw_os_error());
        let error = KernelError::Bpf { doing: "reading a scope's accounting".to_owned(), source };
        assert_eq!(error.to_string(), "reading a scope's accounting");
        assert_eq!(error.in_full(), "reading a scope's accounting: Operation not permitted (os error 1)");
        assert!(!error.cannot());
    }

    fn refused(errno: Errno, said: &[&str], release: &str) -> KernelError {
        let said: Vec<String> = said.iter().map(|&said| said.to_owned()).collect();
        KernelError::refused_to_load(refusal(errno), true, &said, release)
    }

    const UNKNOWN_HELPER: [&str; 5] = [
        "libbpf: prog 'on_connect4': BPF program load failed: -EINVAL\n",
        "libbpf: prog 'on_connect4': -- BEGIN PROG LOAD LOG --\n\
         0: R1=ctx(off=0,imm=0) R10=fp0\n\
         195: (85) call unknown#187\n\
         invalid func unknown#187\n\
         processed 2001 insns (limit 1000000) max_states_per_insn 4 total_states 88 peak_states 88 mark_read 12\n\
         -- END PROG LOAD LOG --\n",
        "libbpf: prog 'on_connect4': failed to load: -EINVAL\n",
        "libbpf: failed to load object 'halfopen_bpf'\n",
        "libbpf: failed to load BPF skeleton 'halfopen_bpf': -EINVAL\n",
    ];

    /// A kernel that is too old cannot be had on the machine of a test: what it is answered with can.
    #[test]
    fn a_kernel_too_old_is_exit_code_3_and_told_what_is_needed() {
        let error = refused(Errno::INVAL, &UNKNOWN_HELPER, "5.10.0-32-amd64");
        assert!(error.cannot());
        let told = error.in_full();
        assert!(told.contains("it is 5.10.0-32-amd64, Linux 6.1 or newer is needed"), "{told}");
        assert!(told.contains("halfopen doctor"), "{told}");
    }

    #[test]
    fn a_refusal_names_its_reason_and_no_age_that_it_has_not() {
        let told = refused(Errno::INVAL, &UNKNOWN_HELPER, "6.18.0").in_full();
        let reason = "(prog 'on_connect4': BPF program load failed: -EINVAL: invalid func unknown#187)";
        assert!(told.contains(reason) && !told.contains("newer"), "{told}");

        let said = ["libbpf: failed to open system Kconfig\n", UNKNOWN_HELPER[4]];
        let told = refused(Errno::INVAL, &said, "6.1.0-56-cloud-amd64").in_full();
        assert!(told.contains("(failed to open system Kconfig)") && !told.contains("newer"), "{told}");

        let said = ["libbpf: map 'accounts': failed to create: -ENOMEM\n", UNKNOWN_HELPER[3]];
        let error = refused(Errno::NOMEM, &said, "5.10.0");
        assert!(!error.cannot());
        let told = error.in_full();
        assert!(
            told.contains("map 'accounts': failed to create: -ENOMEM") && !told.contains("newer"),
            "{told}"
        );

        let told = refused(Errno::INVAL, &[], "6.18.0").in_full();
        assert!(told.contains("Invalid argument (os error 22)"), "{told}");
    }

    #[test]
    fn ages() {
        for old in ["5.10.0-32-amd64", "6.0.19", "4.19"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["6.1.0-56-cloud-amd64", "6.18.44-fc", "7.0", "strange"] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    /// More programs than the verifier will follow is nothing that passes by itself.
    #[test]
    fn programs_too_large_are_exit_code_3() {
        assert!(refused(Errno::TOOBIG, &[], "6.1.0").cannot());
    }

    #[test]
    fn the_verifier_s_refusal_is_not_taken_for_missing_privilege() {
        let refused =
            |permitted| KernelError::refused_to_load(refusal(Errno::ACCESS), permitted, &[], "6.18.0");
        assert!(matches!(refused(true), KernelError::Lacks(_)));
        assert!(matches!(refused(false), KernelError::NotPermitted));
    }
}
