//! Landlock: the sandboxed process may open a few files and no others, may not use TCP but to a port that it needs, and may not signal other
//! processes.

use super::{Needs, SandboxError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest version of which every file right is refused. Later versions would also refuse to connect to sockets in
/// the file system, which the system log needs.
const FILES: ABI = ABI::V5;
const NETWORK: ABI = ABI::V4;

/// The rules, with the paths that they name open.
#[derive(Debug)]
pub struct Files(RulesetCreated);

impl Files {
    /// Opens the paths that `needs` names.
    ///
    /// # Errors
    /// If the kernel refuses rules that it claims to support.
    pub fn open(needs: &Needs) -> Result<Self, SandboxError> {
        let rules = || -> Result<RulesetCreated, RulesetError> {
            let mut rules = Ruleset::default()
                .handle_access(AccessFs::from_all(FILES))?
                .handle_access(AccessNet::from_all(NETWORK))?
                // Abstract sockets stay allowed: the service manager's socket may be one.
                .scope(Scope::Signal)?
                .create()?;
            for path in &needs.files {
                if let Ok(open) = PathFd::new(path) {
                    rules = rules.add_rule(PathBeneath::new(open, AccessFs::ReadFile))?;
                }
            }
            for path in &needs.written {
                if let Ok(open) = PathFd::new(path) {
                    rules = rules.add_rule(PathBeneath::new(open, written()))?;
                }
            }
            for port in &needs.dialled {
                rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
            }
            Ok(rules)
        };
        rules().map(Self).map_err(|e| refused(&e))
    }

    /// Puts the rules in force. `false` if this kernel has no Landlock.
    ///
    /// # Errors
    /// If the kernel refuses rules that it claims to support.
    pub fn close_all_others(self) -> Result<bool, SandboxError> {
        let status = self.0.restrict_self().map_err(|e| refused(&e))?;
        if status.ruleset == RulesetStatus::PartiallyEnforced {
            tracing::debug!("this kernel's Landlock enforces only some of the rules: {:?}", status.landlock);
        }
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

/// What may be done in a directory that is written.
fn written() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
}

fn refused(error: &RulesetError) -> SandboxError {
    SandboxError::Rules { doing: "cannot restrict file access with Landlock", reason: error.to_string() }
}
