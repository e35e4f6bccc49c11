use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a part of the lab could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The machine lacks something every lab needs.
    #[error(transparent)]
    Skip(#[from] crate::Skip),
    /// A system call or a file operation failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An external program ended with an error.
    #[error("`{command}` failed ({status}): {stderr}")]
    Tool {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// Something awaited did not happen in time.
    #[error("waited {waited:?} in vain for {what}")]
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// A program of this workspace is not built.
    #[error("no `{name}` in {}: build it (`cargo build --bins`) or set {env} to its path", searched.display())]
    NoArtifact {
        /// The program.
        name: String,
        /// Where it was looked for.
        searched: PathBuf,
        /// The environment variable that names it.
        env: String,
    },
    /// The lab has none between client and world.
    #[error("this lab has no NAT box: build it with `Lab::builder().nat()`")]
    NoNat,
    /// A connection was to be of a kind that the kernel has not made it.
    #[error("the connection was to be by {0} and is not: this kernel lacks it, or a sysctl switches it off")]
    NotOfItsKind(&'static str),
    /// The draw asks for more addresses than its prefix has left.
    #[error("{prefix} has only {left} addresses left, {asked} asked: draw fewer, or from a larger prefix")]
    PrefixExhausted {
        /// The prefix drawn from.
        prefix: crate::Prefix,
        /// How many it has left.
        left: u128,
        /// How many were asked for.
        asked: usize,
    },
    /// The limit of open files cannot be raised far enough.
    #[error(
        "only {limit} files may be open and {needed} are needed: raise the hard limit (`ulimit -Hn {needed}`)"
    )]
    OpenFiles {
        /// The limit.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// A program said something that cannot be understood.
    #[error("cannot read what {from} says ({reason}): {text}")]
    Unreadable {
        /// Who said it.
        from: String,
        /// Why it cannot be read.
        reason: String,
        /// What was said.
        text: String,
    },
    /// The program under test ended before it was ready.
    #[error("`{command}` ended ({status}) before it was ready; it said:\n{stderr}")]
    NotReady {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        stderr: String,
    },
}

impl LabError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn errno(what: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let what = what.into();
        move |errno| Self::Io { what, source: errno.into() }
    }
}
