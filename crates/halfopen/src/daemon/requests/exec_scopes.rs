//! The scopes that `halfopen exec` makes.

use crate::config::ConfigError;
use crate::config::limits::{self, DRAIN, HALF_OPEN};
use crate::daemon::enforcement::{EXEC_PARENT, Enforcement, ExecScope};
use crate::exit::WrongUse;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

impl Enforcement {
    /// Makes a scope for the process `peer`. Limits that are not given are copied from the host's present ones.
    ///
    /// # Errors
    /// If a value is wrong, or if no scope or cgroup can be made.
    pub fn begin_scope(
        &mut self,
        peer: u32,
        half_open: Option<&str>,
        drain: Option<&str>,
    ) -> Result<(String, PathBuf)> {
        let mut limits = self.host_limits();
        let given = [(HALF_OPEN, "--half-open", half_open), (DRAIN, "--drain", drain)];
        for (key, option, value) in given {
            if let Some(value) = value {
                let value = key
                    .form
                    .read_text(option, value)
                    .map_err(|e| ConfigError::Given { given: "exec".into(), wrong: e.into() })?;
                limits::set(&mut limits, key, &value);
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
        // No rule is charged for this scope, so first contacts must cost here what they would have cost there.
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

    /// Ends a scope, and moves processes left in it to the parent cgroup.
    ///
    /// # Errors
    /// If its cgroup cannot be removed. The scope ends anyway.
    pub fn end_scope(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.scopes.iter().position(|scope| scope.name == name) else { return Ok(()) };
        let scope = self.scopes.swap_remove(at);
        if let Some(report) = self.announcer.episodes.remove(name) {
            self.announce(report, scope.limits.half_open, 0);
        }
        self.limiter.remove_scope(scope.id)?;
        let removed = self.means.helper.remove_exec_cgroup(name);
        removed.with_context(|| format!("cannot remove the cgroup of {name}"))
    }
}
