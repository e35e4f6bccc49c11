//! The limiter in the kernel: loaded, attached, told its policy, read, and let go.

use crate::{Attempt, CgroupDir, FaultCount, HeldAttempt, KernelError};
use halfopen_policy::{Ledger, Limits, Mode, RawTcp};
use ipnet::IpNet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// What holds for the whole host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Hold, count or let alone.
    pub mode: Mode,
    /// TCP through raw sockets.
    pub raw_tcp: RawTcp,
    /// Destinations that are never counted.
    pub exempt: Vec<IpNet>,
    /// The host scope's limits.
    pub host: Limits,
}

/// A scope's place in the kernel's table; the host's is [`ScopeId::HOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);
}

/// What ending the enforcement left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnforcementStopped {
    /// Held attempts whose own options were restored; their SYN leaves at their next re-check.
    pub let_go: u64,
    /// Network namespaces that could not be entered to restore options there.
    pub namespaces_missed: u64,
}

/// The limiter while it enforces. Dropping it without [`Limiter::let_go`] ends enforcement without restoring the
/// options of held sockets.
pub struct Limiter {}

impl Limiter {
    /// Loads the kernel part, writes `settings` and attaches it to `cgroup`. Holds from the first connect after that.
    ///
    /// # Errors
    /// [`KernelError`] saying what is missing; nothing is left attached then.
    pub fn start(cgroup: &CgroupDir, settings: &Settings) -> Result<Self, KernelError> {
        todo!("{cgroup:?} {settings:?}")
    }

    /// Puts new settings in force: at once for new attempts, at the next re-check for waiting ones. All at once or,
    /// on an error, not at all.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), KernelError> {
        todo!("{settings:?}")
    }

    /// Makes a scope for the processes of the cgroup at `path` (which must be a direct child of the cgroup that
    /// [`Limiter::exec_parent`] names) and everything below it.
    ///
    /// # Errors
    /// [`KernelError::ScopesFull`]; [`KernelError::NotACgroup`].
    pub fn add_scope(&mut self, path: &Path, limits: &Limits) -> Result<ScopeId, KernelError> {
        todo!("{path:?} {limits:?}")
    }

    /// The cgroup below which `exec` makes its own; created when first asked for.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn exec_parent(&mut self) -> Result<std::path::PathBuf, KernelError> {
        todo!()
    }

    /// Changes a scope's limits.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn set_scope(&mut self, scope: ScopeId, limits: &Limits) -> Result<(), KernelError> {
        todo!("{scope:?} {limits:?}")
    }

    /// Ends a scope. Attempts still charged to it go on charged to the host alone.
    ///
    /// # Errors
    /// Where a map cannot be written.
    pub fn remove_scope(&mut self, scope: ScopeId) -> Result<(), KernelError> {
        todo!("{scope:?}")
    }

    /// A scope's numbers now.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn ledger(&self, scope: ScopeId) -> Result<Ledger, KernelError> {
        todo!("{scope:?}")
    }

    /// All live attempts, counted from the kernel's sockets in every namespace. The walk also corrects the ledger
    /// where it had drifted (counted as [`crate::Fault::Recounted`]).
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn attempts(&self) -> Result<Vec<Attempt>, KernelError> {
        todo!()
    }

    /// What could not be done as intended, since the start; only what happened at least once.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn faults(&self) -> Result<Vec<FaultCount>, KernelError> {
        todo!()
    }

    /// Hands over the attempts that began to wait since the last call. [`Limiter`] as a file descriptor becomes
    /// readable when there are some.
    ///
    /// # Errors
    /// Where the ring buffer cannot be read.
    pub fn take_held(&mut self, each: &mut dyn FnMut(HeldAttempt)) -> Result<(), KernelError> {
        let _ = each;
        todo!()
    }

    /// Ends enforcement: restores the options of every held socket in every namespace, then detaches and unloads all.
    ///
    /// # Errors
    /// Where the walk fails; enforcement has ended all the same.
    pub fn let_go(self) -> Result<EnforcementStopped, KernelError> {
        todo!()
    }
}

impl AsFd for Limiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}
