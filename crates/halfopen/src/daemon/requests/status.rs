//! The numbers that `status` shows, and the degradations of the limit.

use crate::config::general::{MODE, PRESET};
use crate::config::{Key, Words};
use crate::control::{Degradation, DegradedStatus, FaultStatus, GateStatus, ScopeKind, Status, programs};
use crate::daemon::enforcement::ExecScope;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::otlp::Exporter;
use crate::recorder::Recorder;
use crate::utc_time::UtcTime;
use anyhow::Result;
use halfopen_bpf::{AccountId, Limiter, ScopeId, monotonic};
use halfopen_policy::Mode;

impl Enforcement {
    /// All numbers.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
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
        let blocked = self.blocked_by_hand()?;
        let faults = self.limiter.faults()?;
        let host = self.limiter.ledger(ScopeId::HOST)?;
        let means = &mut self.means;
        let (programs, others) =
            programs::ranked(self.limiter.programs()?, &host, programs::LISTED, |program| {
                means.identify(program)
            });
        let earlier = self.kept_counts.as_ref().map_or_else(|_| Vec::new(), |kept| kept.earlier().to_vec());
        let counting = monotonic().saturating_sub(self.limiter.counting_since());
        Ok(Status {
            mode: self.mode_now().into(),
            preset: self.shown(PRESET),
            persist: self.limiter.is_pinned(),
            config_hash: self.resolved.hash(),
            host: host_status,
            scopes: scopes.into_iter().map(|(_, status)| status).collect(),
            accounts_unlisted,
            blocked,
            deny,
            programs,
            others,
            earlier,
            counting_since: UtcTime::ago(counting),
            counting_for_s: counting.as_secs(),
            trial: self.trial_status(),
            learned: self.learning.told(),
            names: self.names_status()?,
            gates: self.limiter.forwarded()?.into_iter().map(GateStatus::from).collect(),
            conntrack: self.conntrack.now(),
            faults: faults.iter().map(FaultStatus::from).collect(),
            degraded: self.degraded(),
            unwatched: None,
            pid: std::process::id(),
        })
    }

    /// The value in force, as `get` prints it.
    pub(in crate::daemon) fn shown(&self, key: &'static Key) -> String {
        if key == MODE {
            return self.mode_now().word().to_owned();
        }
        self.resolved.shown_of_host(key).0
    }

    fn counts_not_kept(&self) -> Option<String> {
        match &self.kept_counts {
            Err(e) => Some(e.to_string()),
            Ok(_) => (!self.counts_are_kept).then(|| "the last counts are not saved".to_owned()),
        }
    }

    fn degraded_records(&self) -> impl Iterator<Item = DegradedStatus> {
        let recorder = self.announcer.recorder.as_ref();
        let history = recorder.and_then(Recorder::history_lacks);
        let file = recorder.and_then(Recorder::file_lacks);
        let history = history.map(|why| DegradedStatus::history_not_kept(&why));
        let sent = self.announcer.exporter.as_ref().and_then(Exporter::lacks);
        let file = file.map(|why| DegradedStatus::events_file_not_written(&why));
        history.into_iter().chain(file).chain(sent.map(|why| DegradedStatus::events_not_sent(&why)))
    }

    pub(in crate::daemon) fn degraded(&self) -> Vec<DegradedStatus> {
        let mode = match self.mode_now() {
            Mode::Enforce => None,
            Mode::Audit => Some(Degradation::Audit),
            Mode::Off => Some(Degradation::Off),
        };
        let log = (!self.announcer.log_reached()).then_some(Degradation::NoSystemLog);
        let kept = self.announcer.not_kept().or_else(|| self.counts_not_kept());
        let kept = kept.map(|why| DegradedStatus::not_kept(&why));
        let kernel = self.shortcomings.iter().map(|found| Degradation::from(*found));
        let pins = self.pins_unmounted.then_some(Degradation::PinsUnmounted);
        let means = self.means.lacks.iter().copied();
        let hooks = self.limiter.not_attached().map(|(_, why)| DegradedStatus::hook_not_attached(why));
        let unmet = self.resolved.unmet_rules();
        let unmet = unmet.iter().map(|why| DegradedStatus::unmet_rule(why));
        let scopes = self.resolved.unmet_scopes();
        let unmet = unmet.chain(scopes.iter().map(|why| DegradedStatus::unmet_scope(why)));
        let tracking = self.conntrack.now().filter(|found| found.is_nearly_full());
        let tracking = tracking.map(DegradedStatus::conntrack);
        let records =
            Some(self.limiter.connections_counted()).filter(|used| *used > Limiter::CONNECTIONS / 2);
        let records = records.map(|used| DegradedStatus::connection_records(used, Limiter::CONNECTIONS));
        let all = mode.into_iter().chain(log).chain(pins).chain(kernel).chain(means);
        all.map(DegradedStatus::from)
            .chain(kept)
            .chain(self.wakeups.degradations())
            .chain(self.degraded_names())
            .chain(hooks)
            .chain(unmet)
            .chain(self.endpoint.not_served().map(DegradedStatus::metrics_not_served))
            .chain(self.dashboard_not_served())
            .chain(self.degraded_records())
            .chain(self.means.failed_sockets.iter().map(|why| DegradedStatus::runtime_socket_failed(why)))
            .chain(tracking)
            .chain(records)
            .collect()
    }
}
