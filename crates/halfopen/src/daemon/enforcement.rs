//! The limiter with its configuration and scopes.

use crate::config::{Resolved, Sources};
use crate::conntrack;
use crate::control::DegradedStatus;
use crate::daemon::announcer::Announcer;
use crate::daemon::chronicle::Chronicle;
use crate::daemon::failed::Counted;
use crate::daemon::fault_log::FaultLog;
use crate::daemon::learning::Learning;
use crate::daemon::means::Means;
use crate::daemon::metrics::endpoint::Endpoint;
use crate::daemon::resolvers::Resolvers;
use crate::daemon::rule_scope::RuleScope;
use crate::daemon::seen::Seen;
use crate::daemon::user_search::Search;
use crate::daemon::wakeups::Wakeups;
use crate::dashboard::Dashboard;
use crate::exit::explained;
use crate::kept_counts::KeptCounts;
use crate::privileged::Helper;
use crate::sandbox::Sandboxed;
use anyhow::Result;
use halfopen_bpf::{
    EnforcementStopped, KernelError, Limiter, ScopeId, Settings, Shortcoming, monotonic, restore_here,
};
use halfopen_policy::Limits;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// The host scope's name.
pub(crate) const HOST: &str = "host";

/// A scope that `exec` made.
#[derive(Debug)]
pub(super) struct ExecScope {
    pub(super) id: ScopeId,
    pub(super) name: String,
    pub(super) limits: Limits,
    /// Set for a scope taken over from an earlier daemon, which no client's connection ends: the `cgroup.events` of its
    /// cgroup, opened before the daemon was sandboxed.
    pub(super) adopted: Option<File>,
}

/// The name of the parent of the cgroups of `exec`, below the limited cgroup.
pub const EXEC_PARENT: &str = "halfopen.exec";

/// Everything that the daemon owns.
pub struct Enforcement {
    pub(super) limiter: Limiter,
    pub(super) sources: Sources,
    pub(super) resolved: Resolved,
    pub(super) scopes: Vec<ExecScope>,
    pub(super) exec_parent: bool,
    pub(super) means: Means,
    pub(super) faults: FaultLog,
    pub(super) shortcomings: Vec<Shortcoming>,
    pub(super) disturbances: u64,
    /// The scopes of what is in force: the daemon asks for them at each attempt.
    rules: Rc<[RuleScope]>,
    pub(super) wakeups: Wakeups,
    pub(super) pins_unmounted: bool,
    pub(super) resolvers: Resolvers,
    pub(super) conntrack: conntrack::Counts,
    pub(super) conntrack_told: conntrack::Told,
    pub(super) collected: Option<Duration>,
    pub(super) user_search: Search,
    pub(super) counted: Counted,
    pub(super) kept_counts: std::io::Result<KeptCounts>,
    pub(super) counts_kept_at: Option<Duration>,
    pub(super) counts_are_kept: bool,
    pub(super) seen: Seen,
    pub(super) endpoint: Endpoint,
    pub(super) chronicle: Chronicle,
    pub(super) learning: Learning,
    /// The dashboard, if there is to be one.
    pub(super) dashboard: Option<Dashboard>,
    /// Publishes events.
    pub announcer: Announcer,
}

impl Enforcement {
    /// Takes over a `limiter` that has `effective` in force.
    #[must_use]
    pub fn new(
        limiter: Limiter,
        sources: Sources,
        resolved: Resolved,
        announcer: Announcer,
        kept_counts: std::io::Result<KeptCounts>,
        means: Means,
    ) -> Self {
        let mut enforcement = Self {
            means,
            shortcomings: limiter.shortcomings(),
            wakeups: Wakeups::new(false),
            limiter,
            sources,
            resolved,
            rules: Rc::default(),
            scopes: Vec::new(),
            exec_parent: false,
            faults: FaultLog::default(),
            disturbances: 0,
            pins_unmounted: false,
            resolvers: Resolvers::default(),
            conntrack: conntrack::Counts::open(),
            conntrack_told: conntrack::Told::default(),
            collected: None,
            user_search: Search::from(monotonic()),
            counted: Counted::default(),
            counts_are_kept: kept_counts.is_ok(),
            kept_counts,
            counts_kept_at: None,
            seen: Seen::default(),
            endpoint: Endpoint::default(),
            chronicle: Chronicle::default(),
            learning: Learning::default(),
            dashboard: None,
            announcer,
        };
        enforcement.rules = enforcement.find_rule_scopes();
        enforcement.announcer.episodes.set_event_after(enforcement.resolved.general().event_after);
        if let Err(e) = enforcement.know_failed() {
            tracing::error!("{}", e.in_full());
        }
        if let Some(adopted) = enforcement.limiter.adopted().cloned() {
            enforcement.take_over(&adopted);
        }
        enforcement.tell_unmet_rules();
        enforcement
    }

    /// A descriptor that becomes readable when attempts begin to wait.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn held_fd(&self) -> std::io::Result<OwnedFd> {
        self.limiter.as_fd().try_clone_to_owned()
    }

    /// Whether the limit would outlive this process.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.limiter.is_pinned()
    }

    /// Whether somebody has removed the pins and thereby ended the limit.
    #[must_use]
    pub fn pins_removed(&self) -> bool {
        self.limiter.pins_removed()
    }

    /// Puts `settings` in force, with the hooks that they need.
    ///
    /// # Errors
    /// If the kernel part cannot be written. The previous settings then stay in force.
    pub(super) fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        self.limiter.attach_wanted(settings, &mut self.means.helper);
        let applied = self.limiter.apply(settings);
        self.limiter.detach_unwanted(&mut self.means.helper);
        applied
    }

    /// Notes that the settings of `resolved` are in force.
    pub(super) fn is_in_force(&mut self, resolved: Resolved) {
        self.resolved = resolved;
        self.rules = self.find_rule_scopes();
    }

    /// The scopes of rules, in the order in which the kernel part tries them, and of interfaces. A rule that matches
    /// nobody has no scope.
    pub(super) fn rule_scopes(&self) -> Rc<[RuleScope]> {
        self.rules.clone()
    }

    /// Notes that this process is sandboxed from now on, and logs what the sandbox lacks.
    pub fn is_sandboxed(&mut self, sandboxed: Sandboxed) {
        for reason in &sandboxed.lacks {
            let told = DegradedStatus::from(*reason).explanation;
            tracing::warn!("the sandbox is incomplete: {told}");
        }
        self.means.lacks.extend(sandboxed.lacks);
    }

    /// Leaves the limit in force: the pinned programs keep working.
    #[must_use]
    pub fn into_helper(self) -> Helper {
        self.means.helper
    }

    /// The file that `set --save` writes.
    #[must_use]
    pub fn local_file(&self) -> PathBuf {
        self.means.local_file.clone()
    }

    /// How often another program has disturbed our callbacks, as of the last [`Enforcement::look`].
    #[must_use]
    pub fn disturbances(&self) -> u64 {
        self.disturbances
    }

    /// Makes the kernel part count its sockets and correct its ledger.
    ///
    /// # Errors
    /// If the walk fails.
    pub fn reconcile(&mut self) -> Result<(), KernelError> {
        let helper = &mut self.means.helper;
        self.limiter.reconcile(|walk, namespaces| {
            helper.walk(walk, namespaces).unwrap_or_else(|e| {
                tracing::debug!(
                    "cannot walk over the sockets of {} network namespaces: {e}",
                    namespaces.len()
                );
                Vec::new()
            })
        })
    }

    /// Ends enforcement: every held attempt is let go. Returns the privileged helper, which has more to do.
    ///
    /// # Errors
    /// If the kernel part cannot be written. Enforcement ends anyway.
    pub fn finish(mut self) -> (Result<EnforcementStopped, KernelError>, Helper) {
        for name in self.scopes.iter().map(|scope| scope.name.clone()).collect::<Vec<_>>() {
            if let Err(e) = self.end_scope(&name) {
                tracing::warn!("cannot end {name}: {}", explained(&e));
            }
        }
        let mut helper = self.means.helper;
        let stopped = self.limiter.let_go(|link| restore(&mut helper, link));
        (stopped, helper)
    }

    pub(super) fn host_limits(&self) -> Limits {
        self.resolved.host()
    }

    pub(super) fn tell_unmet_rules(&self) {
        for why in self.resolved.unmet_rules() {
            tracing::warn!("{}", DegradedStatus::unmet_rule(&why).explanation);
        }
        for why in self.resolved.unmet_scopes() {
            tracing::warn!("{}", DegradedStatus::unmet_scope(&why).explanation);
        }
        for warning in self.resolved.lasting_warnings() {
            tracing::warn!("{warning}");
        }
    }
}

/// Restores the original options of held sockets. Without the privileged helper, does so only in this process's own network
/// namespace.
fn restore(helper: &mut Helper, link: BorrowedFd<'_>) -> EnforcementStopped {
    helper.restore(link).unwrap_or_else(|e| {
        tracing::warn!("held attempts in other network namespaces keep the options of a hold: {e}");
        if let Err(e) = restore_here(link) {
            tracing::warn!("held attempts in this network namespace keep them too: {e}");
        }
        EnforcementStopped::default()
    })
}
