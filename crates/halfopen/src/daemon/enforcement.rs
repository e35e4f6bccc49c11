//! The limiter with its configuration and scopes, and what is asked of it.

use crate::config::{Effective, Sources};
use crate::conntrack;
use crate::control::DegradedStatus;
use crate::daemon::announcer::Announcer;
use crate::daemon::failed::Counted;
use crate::daemon::fault_log::FaultLog;
use crate::daemon::means::Means;
use crate::daemon::resolvers::Resolvers;
use crate::daemon::wakeups::Pokes;
use crate::exit::explained;
use crate::privileged::Hand;
use crate::sandbox::Confined;
use anyhow::Result;
use halfopen_bpf::{EnforcementStopped, KernelError, Limiter, ScopeId, Settings, Shortcoming, restore_here};
use halfopen_policy::Limits;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The host scope's name.
pub(super) const HOST: &str = "host";

/// A scope that `exec` made.
#[derive(Debug)]
pub(super) struct ExecScope {
    pub(super) id: ScopeId,
    pub(super) name: String,
    pub(super) limits: Limits,
    /// Taken over from an earlier daemon: no client's connection ends it. Its cgroup's `cgroup.events`, open since
    /// before the daemon was confined.
    pub(super) adopted: Option<File>,
}

/// The name of the cgroup above those of `exec`, below the limited one.
pub const EXEC_PARENT: &str = "halfopen.exec";

/// All that the daemon owns.
pub struct Enforcement {
    pub(super) limiter: Limiter,
    pub(super) sources: Sources,
    pub(super) effective: Effective,
    pub(super) scopes: Vec<ExecScope>,
    pub(super) exec_parent: bool,
    pub(super) means: Means,
    pub(super) faults: FaultLog,
    pub(super) shortcomings: Vec<Shortcoming>,
    pub(super) disturbances: u64,
    pub(super) pokes: Pokes,
    pub(super) pins_unmounted: bool,
    pub(super) resolvers: Resolvers,
    pub(super) conntrack: conntrack::Counts,
    pub(super) conntrack_told: conntrack::Told,
    pub(super) collected: Option<Duration>,
    pub(super) counted: Counted,
    /// Where events go.
    pub announcer: Announcer,
}

impl Enforcement {
    /// Takes over a `limiter` that has `effective` in force.
    #[must_use]
    pub fn new(
        limiter: Limiter,
        sources: Sources,
        effective: Effective,
        announcer: Announcer,
        means: Means,
    ) -> Self {
        let mut enforcement = Self {
            means,
            shortcomings: limiter.shortcomings(),
            pokes: Pokes::new(false),
            limiter,
            sources,
            effective,
            scopes: Vec::new(),
            exec_parent: false,
            faults: FaultLog::default(),
            disturbances: 0,
            pins_unmounted: false,
            resolvers: Resolvers::default(),
            conntrack: conntrack::Counts::open(),
            conntrack_told: conntrack::Told::default(),
            collected: None,
            counted: Counted::default(),
            announcer,
        };
        enforcement.announcer.episodes.set_event_after(enforcement.effective.event_after());
        if let Err(e) = enforcement.know_failed() {
            tracing::error!("{}", e.in_full());
        }
        if let Some(adopted) = enforcement.limiter.adopted().cloned() {
            enforcement.take_over(&adopted);
        }
        enforcement.tell_unmet_rules();
        enforcement
    }

    /// A descriptor that becomes readable when attempts have begun to wait.
    ///
    /// # Errors
    /// Where the process has no descriptor left.
    pub fn held_fd(&self) -> std::io::Result<OwnedFd> {
        self.limiter.as_fd().try_clone_to_owned()
    }

    /// Whether the limit would outlive this process.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.limiter.is_pinned()
    }

    /// Whether somebody has removed the pins, and so ended the limit.
    #[must_use]
    pub fn pins_removed(&self) -> bool {
        self.limiter.pins_removed()
    }

    /// Puts `settings` in force, with the hooks that they ask for.
    ///
    /// # Errors
    /// Where the kernel part cannot be written; what was in force still is.
    pub(super) fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        self.limiter.attach_wanted(settings, &mut self.means.hand);
        let applied = self.limiter.apply(settings);
        self.limiter.detach_unwanted(&mut self.means.hand);
        applied
    }

    /// This process is confined from now on. Says what is lacking.
    pub fn is_confined(&mut self, confined: Confined) {
        for reason in &confined.lacks {
            let told = DegradedStatus::from(*reason).explanation;
            tracing::warn!("not confined as it should be: {told}");
        }
        self.means.lacks.extend(confined.lacks);
    }

    /// Leaves the limit as it is: what is pinned goes on.
    #[must_use]
    pub fn into_hand(self) -> Hand {
        self.means.hand
    }

    /// Where `set --save` writes.
    #[must_use]
    pub fn local_file(&self) -> PathBuf {
        self.means.local_file.clone()
    }

    /// How often another program was found to have disturbed our callbacks, as of the last [`Enforcement::look`].
    #[must_use]
    pub fn disturbances(&self) -> u64 {
        self.disturbances
    }

    /// Has the kernel part count its sockets and correct its ledger.
    ///
    /// # Errors
    /// Where the walk fails.
    pub fn recount(&mut self) -> Result<(), KernelError> {
        let hand = &mut self.means.hand;
        self.limiter.recount(|walk, namespaces| {
            hand.walk(walk, namespaces).unwrap_or_else(|e| {
                tracing::debug!("walking over the sockets of {} network namespaces: {e}", namespaces.len());
                Vec::new()
            })
        })
    }

    /// Ends enforcement: every held attempt is let go. Returns the hand, which has more to do.
    ///
    /// # Errors
    /// Where the kernel part could not be told; enforcement has ended all the same.
    pub fn finish(mut self) -> (Result<EnforcementStopped, KernelError>, Hand) {
        for name in self.scopes.iter().map(|scope| scope.name.clone()).collect::<Vec<_>>() {
            if let Err(e) = self.end_scope(&name) {
                tracing::warn!("ending {name}: {}", explained(&e));
            }
        }
        let mut hand = self.means.hand;
        let stopped = self.limiter.let_go(|link| restore(&mut hand, link));
        (stopped, hand)
    }

    pub(super) fn host_limits(&self) -> Limits {
        self.effective.host()
    }

    pub(super) fn tell_unmet_rules(&self) {
        for why in self.effective.unmet_rules() {
            tracing::warn!("{}", DegradedStatus::unmet_rule(&why).explanation);
        }
        for why in self.effective.unmet_scopes() {
            tracing::warn!("{}", DegradedStatus::unmet_scope(&why).explanation);
        }
    }
}

/// Gives held sockets their own options back, where the hand is gone in this process's own namespace at least.
fn restore(hand: &mut Hand, link: BorrowedFd<'_>) -> EnforcementStopped {
    hand.restore(link).unwrap_or_else(|e| {
        tracing::warn!("held attempts of other network namespaces keep the options of a hold: {e}");
        if let Err(e) = restore_here(link) {
            tracing::warn!("so do those of this one: {e}");
        }
        EnforcementStopped::default()
    })
}
