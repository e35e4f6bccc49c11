use std::path::PathBuf;

use rustix::process::geteuid;

use crate::Lab;
use crate::cgroup::cgroup2_root;

/// What this machine lacks for a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// Namespaces, cgroups and packet capture need root.
    #[error("not root: run as root (namespaces, cgroups and packet capture need it)")]
    NotRoot,
    /// No cgroup2 hierarchy is mounted.
    #[error("no cgroup2 is mounted: `mount -t cgroup2 none /sys/fs/cgroup/unified`")]
    NoCgroup2,
    /// The cgroup2 hierarchy cannot be written to.
    #[error("the cgroup2 at {0} cannot be written to: run outside a container, or with a writable one")]
    Cgroup2ReadOnly(PathBuf),
    /// A program is not installed.
    #[error("`{program}` is not installed: `apt-get install {package}`")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The package that has it on Debian.
        package: &'static str,
    },
    /// A program is not there whose installation would change how this machine resolves names.
    #[error("`{program}` is not there: `tools/packages test` unpacks it (package {package})")]
    NotUnpacked {
        /// The program.
        program: &'static str,
        /// The package that has it on Debian.
        package: &'static str,
    },
    /// The kernel refuses namespaces or veth pairs.
    #[error("no network namespace with a veth pair can be made here: {0}")]
    NoVeth(String),
    /// The kernel has no nftables.
    #[error("nftables does not work in a network namespace here: {0}")]
    NoNftables(String),
    /// No memory controller can be used.
    #[error(
        "no memory controller of cgroup version 1: `mount -t cgroup -o memory none /sys/fs/cgroup/memory`"
    )]
    NoMemoryController,
    /// The kernel was built without it, or does not load it for this user.
    #[error("this kernel has no {0}")]
    NotInKernel(&'static str),
    /// There is no TUN device, which only a lab with a WAN needs.
    #[error("no /dev/net/tun: `modprobe tun`")]
    NoTun,
}

const PROGRAMS: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("tcpdump", "tcpdump"), ("nsenter", "util-linux")];

const PROGRAMS_OF_PAGE: [(&str, &str); 3] =
    [("chromium", "chromium"), ("nginx", "nginx"), ("dnsmasq", "dnsmasq-base")];

impl Lab {
    /// Whether a lab can be built on this machine.
    ///
    /// # Errors
    /// The first thing missing. Namespaces, veth and nftables are tried for real.
    pub fn available() -> Result<(), Skip> {
        if !geteuid().is_root() {
            return Err(Skip::NotRoot);
        }
        for (program, package) in PROGRAMS {
            if !on_path(program) {
                return Err(Skip::NoProgram { program, package });
            }
        }
        let root = cgroup2_root().ok_or(Skip::NoCgroup2)?;
        if rustix::fs::access(&root, rustix::fs::Access::WRITE_OK).is_err() {
            return Err(Skip::Cgroup2ReadOnly(root));
        }
        crate::world::try_out()
    }

    /// Whether a lab with a WAN can be built on this machine.
    ///
    /// # Errors
    /// The first thing missing.
    pub fn wan_available() -> Result<(), Skip> {
        Self::available()?;
        if std::path::Path::new("/dev/net/tun").exists() { Ok(()) } else { Err(Skip::NoTun) }
    }

    /// Whether a lab with a WAN and a [`Page`](crate::page::Page) can be built on this machine.
    ///
    /// # Errors
    /// The first thing missing.
    pub fn page_available() -> Result<(), Skip> {
        Self::wan_available()?;
        let missing = PROGRAMS_OF_PAGE.into_iter().find(|(program, _)| !on_path(program));
        missing.map_or(Ok(()), |(program, package)| Err(Skip::NoProgram { program, package }))
    }

    /// For [`require_lab!`](crate::require_lab): whether the calling test may go on.
    ///
    /// # Panics
    /// If something is missing and the environment has `REQUIRE_PRIVILEGED=1`; not for what
    /// the kernel was built without.
    #[must_use]
    pub fn required(available: Result<(), Skip>) -> bool {
        match available {
            Ok(()) => true,
            Err(skip)
                if !matches!(skip, Skip::NotInKernel(_))
                    && std::env::var_os("REQUIRE_PRIVILEGED").is_some_and(|value| value == "1") =>
            {
                panic!("REQUIRE_PRIVILEGED=1, but this test would be skipped: {skip}")
            }
            Err(skip) => {
                eprintln!("skipped: {skip}");
                note_skipped(&skip);
                false
            }
        }
    }
}

/// The test harness knows no test that skips itself: the lanes count the lines of this file.
fn note_skipped(skip: &Skip) {
    use std::io::Write;
    let Some(path) = std::env::var_os("LAB_SKIPS") else { return };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let noted = std::fs::OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = noted.and_then(|mut file| writeln!(file, "skipped: {test}: {skip}")) {
        eprintln!("the skip could not be counted: {error}");
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Leaves the calling test, with the reason on stderr, where no lab can be built (`require_lab!(wan)`: none with a
/// WAN; `require_lab!(page)`: none with a page and a browser). With `REQUIRE_PRIVILEGED=1` in the environment it panics instead.
#[macro_export]
macro_rules! require_lab {
    () => {
        if !$crate::Lab::required($crate::Lab::available()) {
            return;
        }
    };
    (wan) => {
        if !$crate::Lab::required($crate::Lab::wan_available()) {
            return;
        }
    };
    (page) => {
        if !$crate::Lab::required($crate::Lab::page_available()) {
            return;
        }
    };
}
