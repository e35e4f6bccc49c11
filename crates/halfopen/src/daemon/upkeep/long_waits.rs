//! What makes an episode worth an event: an attempt has waited for `event_after`, was refused, or gave up. Looked up
//! only while this is possible.

use crate::control::ScopeKind;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::failed::Failed;
use crate::daemon::rule_scope::RuleScope;
use halfopen_bpf::{Attempt, AttemptState, KernelError, Program, ScopeId, WaitsFor, monotonic};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Whether it waits as those of an episode do.
pub(super) fn waits_for_slot(attempt: &Attempt) -> bool {
    attempt.state == AttemptState::Queued && attempt.waits_for == WaitsFor::Slot
}

impl Enforcement {
    /// Tells the episodes, and the limits on connections, which attempts have waited longest, if any may have waited for
    /// `event_after`.
    pub(in crate::daemon) fn look_up_long_waits(&mut self) -> Result<(), KernelError> {
        self.announcer.episodes.set_event_after(self.resolved.general().event_after);
        self.announcer.held_connections.set_event_after(self.resolved.general().event_after);
        let of_connections = self.announcer.held_connections.asks_who_waits(monotonic());
        if !self.announcer.episodes.asks_who_waits(monotonic()) && !of_connections {
            return Ok(());
        }
        let attempts = self.limiter.attempts()?;
        let now = monotonic();
        self.note_long_waits(&attempts, now);
        let names: HashMap<ScopeId, String> = self.narrower_scopes().into_iter().collect();
        let mut oldest: BTreeMap<String, Duration> = BTreeMap::new();
        for attempt in attempts.iter().filter(|attempt| waits_for_slot(attempt)) {
            let Some(noted) = self.noted_in(attempt, &names) else { continue };
            let since = now.saturating_sub(attempt.age);
            let oldest = oldest.entry(noted.to_owned()).or_insert(since);
            *oldest = since.min(*oldest);
        }
        self.announcer.episodes.oldest_waits(now, &oldest);
        Ok(())
    }

    /// The scope in whose open episode this queued attempt is noted. The scope that holds it back may differ from the one
    /// that noted it when it began to wait.
    pub(super) fn noted_in<'a>(
        &self,
        attempt: &Attempt,
        names: &'a HashMap<ScopeId, String>,
    ) -> Option<&'a str> {
        let name =
            |id: ScopeId| if id == ScopeId::HOST { Some(HOST) } else { names.get(&id).map(String::as_str) };
        let own = attempt.own.map(|own| own.scope);
        let charged = [Some(attempt.held_back_by), own, attempt.interface, Some(ScopeId::HOST)];
        let episodes = &self.announcer.episodes;
        charged.into_iter().flatten().filter_map(name).find(|name| episodes.is_open(name))
    }

    /// Tells the episodes in which scopes attempts were refused or gave up since the last time. An attempt counts in
    /// each scope that it is charged to. It is reported for the narrowest scope with an open episode, or else for the
    /// host.
    pub(in crate::daemon) fn look_up_failed(&mut self) -> Result<(), KernelError> {
        let host = Failed::of(&self.limiter.ledger(ScopeId::HOST)?);
        if self.counted.scopes.get(&ScopeId::HOST) == Some(&host) {
            return Ok(());
        }
        let programs = self.newly_refused()?;
        let now = monotonic();
        let mut of_host = self.counted.new_in(ScopeId::HOST, host);
        let mut refused_in = Vec::new();
        for (id, name, failed) in self.failed_in_narrower()? {
            // If accounts were collected, the number could exceed the host's.
            let new = self.counted.new_in(id, failed).at_most(of_host);
            if (new.refused == 0 && new.gave_up == 0) || !self.announcer.episodes.is_open(&name) {
                continue;
            }
            of_host = of_host.less(new);
            if new.gave_up > 0 {
                self.announcer.episodes.gave_up(now, &name);
            }
            if new.refused > 0 {
                refused_in.push(name);
            }
        }
        if of_host.gave_up > 0 {
            self.announcer.episodes.gave_up(now, HOST);
        }
        if of_host.refused > 0 {
            refused_in.push(HOST.to_owned());
        }
        for name in &refused_in {
            let episodes = &self.announcer.episodes;
            // The counts do not tell which of several scopes refused a program. The one that it has waited in is taken.
            let waited_in = |scope: &String, program: &Program| episodes.has_waited(scope, program);
            let here = |program: &Program| {
                refused_in.len() == 1
                    || waited_in(name, program)
                    || (name == HOST && !refused_in.iter().any(|scope| waited_in(scope, program)))
            };
            let of_scope: Vec<_> = programs.iter().filter(|(program, _)| here(program)).cloned().collect();
            let means = &mut self.means;
            self.announcer.episodes.refused(now, name, &of_scope, |program| means.identify_early(program));
        }
        Ok(())
    }

    /// Notes the counts up to now, so that they are not reported as new.
    pub(in crate::daemon) fn know_failed(&mut self) -> Result<(), KernelError> {
        let host = Failed::of(&self.limiter.ledger(ScopeId::HOST)?);
        self.newly_refused()?;
        for (id, _, failed) in self.failed_in_narrower()? {
            self.counted.new_in(id, failed);
        }
        self.counted.new_in(ScopeId::HOST, host);
        Ok(())
    }

    pub(super) fn narrower_scopes(&self) -> Vec<(ScopeId, String)> {
        let execs = self.scopes.iter().map(|scope| (scope.id, scope.name.clone()));
        execs.chain(self.rule_scopes().iter().map(|scope| (scope.id, scope.name.clone()))).collect()
    }

    fn failed_in_narrower(&self) -> Result<Vec<(ScopeId, String, Failed)>, KernelError> {
        let has_accounts = |scope: &RuleScope| scope.kind == ScopeKind::Rule;
        let mut of_accounts: HashMap<ScopeId, Failed> = HashMap::new();
        if self.rule_scopes().iter().any(has_accounts) {
            for account in self.limiter.accounts()? {
                let of_scope = of_accounts.entry(account.id.scope).or_default();
                *of_scope = of_scope.and(Failed::of(&account.ledger));
            }
        }
        let failed = self.narrower_scopes().into_iter().map(|(id, name)| {
            let own = Failed::of(&self.limiter.ledger(id)?);
            Ok((id, name, own.and(of_accounts.get(&id).copied().unwrap_or_default())))
        });
        failed.collect()
    }

    /// The programs that were refused since the last time, and how often.
    fn newly_refused(&mut self) -> Result<Vec<(Program, u64)>, KernelError> {
        let mut new = Vec::new();
        let mut known = HashMap::new();
        for count in self.limiter.programs()?.into_iter().filter(|count| count.refused_overflow > 0) {
            let (program, refused) = (count.program, count.refused_overflow);
            let key = (program.cgroup_id, program.uid, program.comm.clone());
            // A program that was forgotten to make room for others is counted from zero again.
            let before = self.counted.programs.get(&key).copied().filter(|before| *before <= refused);
            known.insert(key, refused);
            let refused = refused - before.unwrap_or_default();
            if refused > 0 {
                new.push((program, refused));
            }
        }
        self.counted.programs = known;
        Ok(new)
    }
}
