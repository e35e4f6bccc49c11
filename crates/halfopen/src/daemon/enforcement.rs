//! The limiter with its configuration and scopes, and what is asked of it.

mod accounts;
mod adoption;
mod denials;
mod exec_scopes;
mod long_waits;
mod look_ups;
mod names;
mod pokes;
mod release;
mod stopped_datagrams;
mod suspects;
mod trial;
mod values;
mod why;

use super::announcer::Announcer;
use super::confine::Confined;
use super::fault_log::FaultLog;
use super::hand::Hand;
use super::poke::Pokes;
use crate::config::{Effective, Key, Sources, setting};
use crate::conntrack;
use crate::control::{Degradation, DegradedStatus, FaultStatus, ScopeKind, Status, programs};
use crate::events::Waiter;
use crate::events::record::written_time;
use crate::exit::explained;
use anyhow::Result;
use halfopen_kernel::{
    AccountId, CgroupDir, EnforcementStopped, Fault, FaultCount, KernelError, Limiter, ScopeId, Settings,
    Shortcoming, Told, restore_here,
};
use halfopen_policy::{Limits, Mode};
use jiff::Timestamp;
pub use look_ups::LookUps;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The host scope's name.
const HOST: &str = "host";

/// How often accounts that nobody uses any more are looked for.
const COLLECT: Duration = Duration::from_mins(1);

/// A scope that `exec` made.
#[derive(Debug)]
struct ExecScope {
    id: ScopeId,
    name: String,
    limits: Limits,
    /// Taken over from an earlier daemon: no client's connection ends it. Its cgroup's `cgroup.events`, open since
    /// before the daemon was confined.
    adopted: Option<File>,
}

/// What only the hand is asked for, and what the confined process lacks.
#[derive(Debug)]
pub struct Means {
    /// Keeps root.
    pub hand: Hand,
    /// The limited cgroup.
    pub cgroup: CgroupDir,
    /// Where `set --save` writes.
    pub local_file: PathBuf,
    /// What could not be given up.
    pub lacks: Vec<Degradation>,
    /// What finding out who programs are has taken.
    pub look_ups: LookUps,
}

/// The name of the cgroup above those of `exec`, below the limited one.
pub const EXEC_PARENT: &str = "halfopen.exec";

/// All that the daemon owns.
pub struct Enforcement {
    limiter: Limiter,
    sources: Sources,
    effective: Effective,
    scopes: Vec<ExecScope>,
    exec_parent: bool,
    means: Means,
    faults: FaultLog,
    shortcomings: Vec<Shortcoming>,
    disturbances: u64,
    pokes: Pokes,
    pins_unmounted: bool,
    names: names::Names,
    conntrack: conntrack::Counts,
    conntrack_told: conntrack::Told,
    collected: Option<Duration>,
    counted: long_waits::Counted,
    /// Where events go.
    pub announcer: Announcer,
}

/// Now, on the clock of the kernel part.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap_or_default()
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
            names: names::Names::default(),
            conntrack: conntrack::Counts::open(),
            conntrack_told: conntrack::Told::default(),
            collected: None,
            counted: long_waits::Counted::default(),
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

    /// Takes the attempts that began to wait from the kernel part into their episodes, and notes whose turn may
    /// come. Returns how many began to wait.
    ///
    /// # Errors
    /// Where the ring buffer cannot be read.
    pub fn take_held(&mut self) -> Result<u64, KernelError> {
        let rules = self.rule_scopes();
        let Self { limiter, scopes, announcer, means, pokes, .. } = self;
        let (mut taken, mut suspects) = (0, Vec::new());
        limiter.take_told(&mut |told| {
            pokes.hear(&told);
            let held = match told {
                Told::Held(held) => held,
                Told::Suspect(attempt) => return suspects.push(attempt),
                Told::Turn(_) => return,
            };
            taken += 1;
            let exec = scopes.iter().find(|scope| scope.id == held.scope).map(|scope| &scope.name);
            let rule = || rules.iter().find(|scope| scope.id == held.scope).map(|scope| &scope.name);
            let waiter = Waiter {
                at: held.at,
                scope: exec.or_else(rule).map_or(HOST, String::as_str),
                program: &held.program,
                destination: held.destination,
                audited: held.audited,
            };
            announcer.episodes.waits(&waiter, |program| means.identify_early(program));
        })?;
        for attempt in suspects {
            self.note_suspect(&rules, attempt);
        }
        Ok(taken)
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
    fn put_in_force(&mut self, settings: &Settings) -> Result<(), KernelError> {
        self.limiter.attach_wanted(settings, &mut self.means.hand);
        let applied = self.limiter.apply(settings);
        self.limiter.detach_unwanted(&mut self.means.hand);
        applied
    }

    /// What has to be done now and then: word for the next daemon, a trial that has ended, executables that were
    /// replaced, other resolvers, hooks that could not be attached, scopes whose processes have ended, accounts that nobody uses.
    ///
    /// # Errors
    /// Where the kernel part cannot be written.
    pub fn tend(&mut self) -> Result<(), KernelError> {
        self.limiter.leave_word()?;
        self.end_trial()?;
        self.tend_pokes()?;
        if self.limiter.follow_essential_files()? {
            tracing::info!("a file that `essential` names was replaced or installed: it counts as it is now");
        }
        if self.limiter.follow_rule_files()? {
            tracing::info!("a file that a [[scope]] names was replaced or installed: it counts as it is now");
        }
        self.limiter.follow_hooks(&mut self.means.hand);
        self.follow_resolvers()?;
        self.end_adopted_scopes();
        if self.collected.is_none_or(|at| at + COLLECT <= monotonic()) {
            self.collected = Some(monotonic());
            let gone = self.limiter.collect_accounts()?;
            tracing::debug!("idle accounts and parties collected: {gone}");
        }
        let unmounted = self.limiter.pins_unmounted()?;
        if unmounted && !self.pins_unmounted {
            tracing::warn!("{}", DegradedStatus::from(Degradation::PinsUnmounted).explanation);
        }
        self.pins_unmounted = unmounted;
        let told = self.conntrack.now().and_then(|found| self.conntrack_told.due(monotonic(), found));
        if let Some(line) = told {
            tracing::warn!("{line}");
        }
        Ok(())
    }

    /// Reads the ledgers, writes the events that are due, and logs new faults.
    ///
    /// # Errors
    /// Where the kernel part cannot be read.
    pub fn look(&mut self) -> Result<(), KernelError> {
        self.look_after_hand();
        self.take_held()?;
        self.look_up_long_waits()?;
        self.look_up_failed()?;
        // Narrower scopes first: the host's queue counts their waiters too, which are no sign that the host is full.
        let mut waiting_below = self.look_at_rules()?;
        let execs = self.scopes.iter().map(|scope| (scope.id, scope.name.clone(), scope.limits.half_open));
        let host = (ScopeId::HOST, HOST.to_owned(), self.host_limits().half_open);
        for (id, name, limit) in execs.chain([host]).collect::<Vec<_>>() {
            let ledger = self.limiter.ledger(id)?;
            if id == ScopeId::HOST && ledger.queued == 0 {
                self.pokes.nobody_waits();
            }
            let waiting = if id == ScopeId::HOST {
                ledger.queued.saturating_sub(waiting_below)
            } else {
                waiting_below += ledger.queued;
                ledger.queued
            };
            if let Some(report) =
                self.announcer.episodes.look(monotonic(), &name, waiting, ledger.last_waiter)
            {
                self.announce(report, limit, ledger.queued);
            }
        }
        self.announce_suspects()?;
        self.announce_denials()?;
        self.announce_stopped_datagrams()?;
        let faults = self.limiter.faults()?;
        for line in self.faults.due(monotonic(), &faults) {
            tracing::warn!("{line}");
        }
        let disturbed = |fault: &&FaultCount| {
            matches!(fault.fault, Fault::CallbackFlags | Fault::CallbacksCleared | Fault::DecidedAtEgress)
        };
        self.disturbances = faults.iter().filter(disturbed).map(|fault| fault.count).sum();
        Ok(())
    }

    /// Notices, and says once, that the hand has ended or does not answer, and that it does again.
    fn look_after_hand(&mut self) {
        let (is_there, lacks) = (self.means.hand.look(), &mut self.means.lacks);
        match lacks.iter().position(|lack| *lack == Degradation::NoHand) {
            Some(at) if is_there => {
                lacks.remove(at);
                tracing::info!("the privileged helper answers again");
            }
            None if !is_there => {
                lacks.push(Degradation::NoHand);
                tracing::error!("{}", DegradedStatus::from(Degradation::NoHand).explanation);
            }
            _ => {}
        }
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

    /// All numbers.
    ///
    /// # Errors
    /// Where the kernel part cannot be read.
    pub fn status(&mut self) -> Result<Status> {
        let exec = |exec: &ExecScope| {
            let status = self.scope_status(exec.id, &exec.name, ScopeKind::Exec, &exec.limits);
            status.map(|status| (AccountId::of_scope(exec.id), status))
        };
        let mut scopes = self.scopes.iter().map(exec).collect::<Result<Vec<_>, _>>()?;
        let (of_rules, accounts_unlisted) = self.rules_status()?;
        scopes.extend(of_rules);
        let mut host_status = self.scope_status(ScopeId::HOST, HOST, ScopeKind::Host, &self.host_limits())?;
        let all = scopes.iter_mut().map(|(account, status)| (*account, status));
        self.show_stopped_datagrams(all.chain([(AccountId::of_scope(ScopeId::HOST), &mut host_status)]))?;
        let deny = self.deny_status()?;
        let faults = self.limiter.faults()?;
        let host = self.limiter.ledger(ScopeId::HOST)?;
        let means = &mut self.means;
        let (programs, others) =
            programs::ranked(self.limiter.programs()?, &host, |program| means.identify(program));
        let counting = monotonic().saturating_sub(self.limiter.counting_since());
        let now = Timestamp::now();
        Ok(Status {
            mode: setting::mode_name(self.mode_now()).into(),
            preset: self.shown(Key::Preset),
            persist: self.limiter.is_pinned(),
            config_hash: self.effective.hash(),
            host: host_status,
            scopes: scopes.into_iter().map(|(_, status)| status).collect(),
            accounts_unlisted,
            deny,
            programs,
            others,
            counting_since: written_time(now.checked_sub(counting).unwrap_or(now)),
            counting_for_s: counting.as_secs(),
            trial: self.trial_status(),
            names: self.names_status()?,
            conntrack: self.conntrack.now(),
            faults: faults.iter().map(FaultStatus::from).collect(),
            degraded: self.degraded(),
            pid: std::process::id(),
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

    fn host_limits(&self) -> Limits {
        self.effective.host()
    }

    fn tell_unmet_rules(&self) {
        for why in self.effective.unmet_rules() {
            tracing::warn!("{}", DegradedStatus::unmet_rule(&why).explanation);
        }
        for why in self.effective.unmet_scopes() {
            tracing::warn!("{}", DegradedStatus::unmet_scope(&why).explanation);
        }
    }

    /// The value in force, as `get` prints it.
    fn shown(&self, key: Key) -> String {
        if key == Key::Mode {
            return setting::mode_name(self.mode_now()).to_owned();
        }
        self.effective.get(key).map_or_else(String::new, |(setting, _)| setting.show())
    }

    fn degraded(&self) -> Vec<DegradedStatus> {
        let mode = match self.mode_now() {
            Mode::Enforce => None,
            Mode::Audit => Some(Degradation::Audit),
            Mode::Off => Some(Degradation::Off),
        };
        let log = (!self.announcer.log_reached()).then_some(Degradation::NoSystemLog);
        let kept = (!self.announcer.is_keeping()).then_some(Degradation::EventsNotKept);
        let kernel = self.shortcomings.iter().map(|found| Degradation::from(*found));
        let pins = self.pins_unmounted.then_some(Degradation::PinsUnmounted);
        let means = self.means.lacks.iter().copied();
        let hooks = self.limiter.not_attached().map(|(_, why)| DegradedStatus::hook_not_attached(why));
        let unmet = self.effective.unmet_rules();
        let unmet = unmet.iter().map(|why| DegradedStatus::unmet_rule(why));
        let scopes = self.effective.unmet_scopes();
        let unmet = unmet.chain(scopes.iter().map(|why| DegradedStatus::unmet_scope(why)));
        let tracking = self.conntrack.now().filter(|found| found.is_nearly_full());
        let tracking = tracking.map(DegradedStatus::conntrack);
        let all = mode.into_iter().chain(log).chain(kept).chain(pins).chain(kernel).chain(means);
        all.map(DegradedStatus::from)
            .chain(self.pokes.degradations())
            .chain(self.degraded_names())
            .chain(hooks)
            .chain(unmet)
            .chain(tracking)
            .collect()
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
