//! Landlock: the files that the sandboxed process may read, and no other; no TCP, no signals to others.

use super::{Needs, SandboxError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest version whose file rights are all refused. The next ones that matter also refuse to connect to sockets in
/// the file system, which the system log needs.
const FILES: ABI = ABI::V5;
const NETWORK: ABI = ABI::V4;

/// The rules, with the paths they name open.
#[derive(Debug)]
pub struct Files(RulesetCreated);

impl Files {
    /// Opens what `needs` names.
    ///
    /// # Errors
    /// Where the kernel refuses rules that it says it knows.
    pub fn open(needs: &Needs) -> Result<Self, SandboxError> {
        let rules = || -> Result<RulesetCreated, RulesetError> {
            let mut rules = Ruleset::default()
                .handle_access(AccessFs::from_all(FILES))?
                .handle_access(AccessNet::from_all(NETWORK))?
                // Not abstract sockets: the service manager's may be one.
                .scope(Scope::Signal)?
                .create()?;
            for path in &needs.files {
                if let Ok(open) = PathFd::new(path) {
                    rules = rules.add_rule(PathBeneath::new(open, AccessFs::ReadFile))?;
                }
            }
            Ok(rules)
        };
        rules().map(Self).map_err(|e| refused(&e))
    }

    /// Puts the rules in force; `false` where this kernel has no Landlock.
    ///
    /// # Errors
    /// Where the kernel refuses rules that it says it knows.
    pub fn close_all_others(self) -> Result<bool, SandboxError> {
        let status = self.0.restrict_self().map_err(|e| refused(&e))?;
        if status.ruleset == RulesetStatus::PartiallyEnforced {
            tracing::debug!("this kernel's Landlock is older than the rules: {:?}", status.landlock);
        }
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

fn refused(error: &RulesetError) -> SandboxError {
    SandboxError::Rules { doing: "closing the file system by Landlock", reason: error.to_string() }
}
