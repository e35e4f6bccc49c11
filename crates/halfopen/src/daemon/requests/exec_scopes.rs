//! The scopes that `halfopen exec` makes.

use crate::config::{ConfigError, Limit, LimitKey};
use crate::daemon::enforcement::{EXEC_PARENT, Enforcement, ExecScope};
use crate::exit::WrongUse;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

impl Enforcement {
    /// Makes a scope for the process `peer`. Limits not given are the host's as they are now.
    ///
    /// # Errors
    /// For a wrong value, and where no scope or cgroup can be made.
    pub fn begin_scope(
        &mut self,
        peer: u32,
        half_open: Option<&str>,
        drain: Option<&str>,
    ) -> Result<(String, PathBuf)> {
        let mut limits = self.host_limits();
        let given = [(LimitKey::HalfOpen, "--half-open", half_open), (LimitKey::Drain, "--drain", drain)];
        for (key, option, value) in given {
            if let Some(value) = value {
                Limit::from_text(key, option, value)
                    .map_err(|e| ConfigError::Given { given: "exec".into(), wrong: e.into() })?
                    .apply(&mut limits);
            }
        }
        let name = format!("exec-{peer}");
        if self.scopes.iter().any(|scope| scope.name == name) {
            return Err(WrongUse(format!("process {peer} already has the scope {name}")).into());
        }
        let (parent, own) = self.means.helper.make_exec_cgroup(&name)?;
        let parent = self.means.cgroup.child(EXEC_PARENT, parent);
        let own = parent.child(&name, own);
        let path = own.path().to_owned();
        // It is charged to no rule, and so must pay here for what it would have paid for there.
        let in_hierarchy = path.strip_prefix(self.limiter.hierarchy()).unwrap_or(&path);
        limits.first_contact =
            self.resolved.first_contact_in(&Path::new("/").join(in_hierarchy).to_string_lossy());
        let added = if self.exec_parent { Ok(()) } else { self.limiter.set_exec_parent(parent) };
        self.exec_parent |= added.is_ok();
        match added.and_then(|()| self.limiter.add_scope(&own, &limits)) {
            Ok(id) => self.scopes.push(ExecScope { id, name: name.clone(), limits, adopted: None }),
            Err(e) => {
                self.means.helper.remove_exec_cgroup(&name)?;
                return Err(e.into());
            }
        }
        Ok((name, path))
    }

    /// Ends a scope. Processes left in it go to the parent cgroup.
    ///
    /// # Errors
    /// Where its cgroup cannot be removed; the scope has ended all the same.
    pub fn end_scope(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.scopes.iter().position(|scope| scope.name == name) else { return Ok(()) };
        let scope = self.scopes.swap_remove(at);
        if let Some(report) = self.announcer.episodes.remove(name) {
            self.announce(report, scope.limits.half_open, 0);
        }
        self.limiter.remove_scope(scope.id)?;
        self.means.helper.remove_exec_cgroup(name).with_context(|| format!("removing the cgroup of {name}"))
    }
}
