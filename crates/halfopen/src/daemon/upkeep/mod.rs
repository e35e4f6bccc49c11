//! The daemon's regular work: events that are due, data for the next daemon, and removal of what is no longer needed.

mod adoption;
mod connection_limits;
mod containers;
mod counts;
mod denials;
mod gates;
mod history;
mod long_waits;
mod names;
mod reasons;
mod sightings;
mod stopped_datagrams;
mod suspects;
mod users;
mod wakeups;

use crate::control::{Degradation, DegradedStatus};
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::learning::limits_of;
use crate::events::Waiter;
use crate::events::episode::Report;
use crate::exit::explained;
use connection_limits::SlotWaiters;
use halfopen_bpf::{Fault, FaultCount, KernelError, RingEvent, ScopeId, WaitsFor, monotonic};
use sightings::see;
use std::time::Duration;

/// How often the daemon looks for accounts that are no longer used.
const COLLECT: Duration = Duration::from_mins(1);
/// How often the counts are saved: what a crash or a power failure costs.
const COUNTS_KEPT_EVERY: Duration = Duration::from_mins(1);

impl Enforcement {
    /// Adds attempts that began to wait to their episodes, and notes whose turn may come. Returns how many began to
    /// wait.
    ///
    /// # Errors
    /// If the ring buffer cannot be read.
    pub fn take_held(&mut self) -> Result<u64, KernelError> {
        let rules = self.rule_scopes();
        let host = self.host_limits();
        let Self { limiter, scopes, announcer, means, wakeups, seen, chronicle, learning, .. } = self;
        let limits = limits_of(host, scopes, &rules);
        let (mut taken, mut suspects, mut new) = (0, Vec::new(), Vec::new());
        limiter.take_ring_events(&mut |told| {
            wakeups.hear(&told);
            learning.hear(&told, &limits);
            if announcer.keeps_history() {
                chronicle.hear(&told);
            }
            let held = match told {
                RingEvent::Held(held) => held,
                RingEvent::Suspect(attempt) => return suspects.push(attempt),
                RingEvent::Began(_) | RingEvent::Turn(_) => return,
            };
            taken += 1;
            let exec = scopes.iter().find(|scope| scope.id == held.scope).map(|scope| &scope.name);
            let rule = || rules.iter().find(|scope| scope.id == held.scope).map(|scope| &scope.name);
            let waiter = Waiter {
                at: held.at,
                scope: exec.or_else(rule).map_or(HOST, String::as_str),
                program: &held.program,
                own: held.own,
                destination: held.destination,
                contact: held.contact,
                audited: held.audited,
            };
            match held.waits_for {
                WaitsFor::Slot => {
                    announcer.episodes.waits(&waiter, |program| means.identify_early(program));
                }
                WaitsFor::Connection | WaitsFor::Destination => {
                    announcer.held_connections.note(&held, |program| means.identify_early(program));
                }
            }
            if see(seen, means, &held, scopes, &rules, false) {
                new.push(held);
            }
        })?;
        self.note_new(&rules, &new, &suspects);
        for attempt in suspects {
            self.note_suspect(&rules, attempt);
        }
        Ok(taken)
    }

    /// The work of each second: leave data for the next daemon, end a trial whose time is over, follow replaced
    /// executables and changed resolvers, look for users that nobody knew and for containers, retry hooks that could not be attached, end scopes without processes, and
    /// collect accounts that are no longer used.
    ///
    /// # Errors
    /// If the kernel part cannot be written.
    pub fn tend(&mut self) -> Result<(), KernelError> {
        self.limiter.leave_word()?;
        self.end_trial()?;
        self.tend_pokes()?;
        if self.limiter.follow_never_hold_files()? {
            tracing::info!(
                "a file that `never_hold` names was replaced or installed: the rule now matches the new file"
            );
        }
        if self.limiter.follow_rule_files()? {
            tracing::info!(
                "a file that a [[scope]] names was replaced or installed: the rule now matches the new file"
            );
        }
        self.follow_gates()?;
        self.limiter.follow_hooks(&mut self.means.helper);
        self.follow_resolvers()?;
        self.follow_listen();
        if !self.resolved.container_sources().sockets.is_empty() {
            self.means.follow_runtime_sockets();
        }
        if let Err(e) = self.look_for_users() {
            tracing::debug!("cannot look for the users that rules name: {}", explained(&e));
        }
        if let Err(e) = self.follow_containers() {
            tracing::warn!("the rules do not match the containers that run now: {}", explained(&e));
        }
        self.end_adopted_scopes();
        if self.collected.is_none_or(|at| at + COLLECT <= monotonic()) {
            self.collected = Some(monotonic());
            let gone = self.limiter.collect_accounts()?;
            tracing::debug!("collected {gone} idle accounts and parties");
            self.tell_ended_blocks()?;
        }
        let unmounted = self.limiter.pins_unmounted()?;
        if unmounted && !self.pins_unmounted {
            tracing::warn!("{}", DegradedStatus::from(Degradation::PinsUnmounted).explanation);
        }
        self.pins_unmounted = unmounted;
        if self.counts_kept_at.is_none_or(|at| at + COUNTS_KEPT_EVERY <= monotonic()) {
            self.counts_kept_at = Some(monotonic());
            self.keep_counts();
        }
        let told = self.conntrack.now().and_then(|found| self.conntrack_told.due(monotonic(), found));
        if let Some(line) = told {
            tracing::warn!("{line}");
        }
        Ok(())
    }

    /// Reads the ledgers, writes the events that are due, and logs new faults.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
    pub fn look(&mut self) -> Result<(), KernelError> {
        self.look_after_helper();
        self.take_held()?;
        self.learn();
        self.note_live()?;
        self.look_up_long_waits()?;
        self.look_up_failed()?;
        // Narrower scopes first: the host's queue counts their waiters too, but those do not mean that the host is
        // full.
        let mut waiting_below = self.look_at_rules()?;
        let execs = self.scopes.iter().map(|scope| (scope.id, scope.name.clone(), scope.limits.half_open));
        let host = (ScopeId::HOST, HOST.to_owned(), self.host_limits().half_open);
        let to_connect = self.waiting_to_connect()?;
        for (id, name, limit) in execs.chain([host]).collect::<Vec<_>>() {
            let ledger = self.limiter.ledger(id)?;
            if id == ScopeId::HOST && ledger.queued == 0 {
                self.wakeups.nobody_waits();
            }
            let below = if id == ScopeId::HOST { waiting_below } else { 0 };
            waiting_below += ledger.queued;
            let waiting = SlotWaiters::of(&ledger, below, to_connect);
            if let Some(report) = self.announcer.episodes.look(monotonic(), &name, waiting.now, waiting.last)
            {
                self.announce(report, limit, ledger.queued);
            }
        }
        self.announce_suspects()?;
        self.announce_denials()?;
        self.announce_stopped_datagrams()?;
        self.announce_connections()?;
        self.record_history()?;
        if let Some(exporter) = &mut self.announcer.exporter {
            exporter.tend();
        }
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.tend();
        }
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

    /// Logs once when the privileged helper has ended or stops answering, and once when it answers again.
    fn look_after_helper(&mut self) {
        let (is_there, lacks) = (self.means.helper.look(), &mut self.means.lacks);
        match lacks.iter().position(|lack| *lack == Degradation::NoHelper) {
            Some(at) if is_there => {
                lacks.remove(at);
                tracing::info!("the privileged helper answers again");
            }
            None if !is_there => {
                lacks.push(Degradation::NoHelper);
                tracing::error!("{}", DegradedStatus::from(Degradation::NoHelper).explanation);
            }
            _ => {}
        }
    }

    /// Writes the event for `report`, in a scope with this `limit` and `queued` attempts.
    pub(in crate::daemon) fn announce(&mut self, mut report: Report, limit: Option<u32>, queued: u64) {
        for tally in &mut report.programs {
            let program = &tally.program;
            let identity = tally.identity.get_or_insert_with(|| self.means.identify(program));
            self.means.name_again(identity, program.cgroup_id);
        }
        self.name_accounts_of(&mut report);
        self.explain_waits(&mut report);
        self.announcer.episodes.know(&report);
        self.announcer.announce(report, limit, queued);
    }
}
