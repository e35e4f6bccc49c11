//! What `status`, `report`, `why` and `get` tell while no daemon answers but a pinned limit goes on: they read the pins.

use crate::config::{Name, RuleName, general, limits, read_name};
use crate::control::{
    AttemptStatus, BlockedStatus, Degradation, DegradedStatus, DeniedStatus, DenyStatus, FaultStatus,
    GateStatus, NamesStatus, ScopeKind, ScopeStatus, SilentDaemon, Status, Subject, TrialStatus, Trusted,
    UnwatchedStatus, Why, deny_status, programs, scope_status,
};
use crate::daemon::account_name::{AccountIs, name_of};
use crate::daemon::accounts::{Charged, on_the_wall, rank, trust_status};
use crate::daemon::destinations::Destinations;
use crate::daemon::enforcement::HOST;
use crate::daemon::requests::why::{LISTED, concerns, explained};
use crate::events::{Identity, identity};
use crate::exit::WrongUse;
use crate::name_service::Names;
use crate::runs_in::Lookup;
use crate::runtime_dir::pins_of_this_host;
use crate::utc_time::UtcTime;
use anyhow::{Result, anyhow};
use halfopen_bpf::{
    Account, AccountId, KernelError, PinnedLimit, PinnedScope, Program, ProgramCount, ScopeId, ScopeOf,
    monotonic,
};
use halfopen_policy::{Limits, Mode};
use std::cmp::Reverse;
use std::collections::HashMap;

/// A pinned limit that no daemon watches.
pub struct Unwatched {
    limit: PinnedLimit,
    names: Names,
    lookup: Lookup,
    silent: Option<SilentDaemon>,
}

impl Unwatched {
    /// The limit pinned on this host; `None` if there is none.
    ///
    /// # Errors
    /// As [`PinnedLimit::find`].
    pub fn find() -> Result<Option<Self>, KernelError> {
        let found = PinnedLimit::find(&pins_of_this_host())?;
        Ok(found.map(|limit| Self {
            limit,
            names: Names::default(),
            lookup: Lookup::default(),
            silent: None,
        }))
    }

    /// The same beside a daemon that does not answer.
    pub fn beside(self, silent: SilentDaemon) -> Self {
        Self { silent: Some(silent), ..self }
    }

    pub fn told(&self) -> UnwatchedStatus {
        let limit = &self.limit;
        UnwatchedStatus::new(limit.path(), limit.version(), limit.unwatched(), limit.mode(), self.silent)
    }

    /// All numbers. Those that only the daemon knows are left out.
    pub fn status(&mut self) -> Result<Status> {
        let scopes = self.limit.scopes()?;
        let charged = |scope: &PinnedScope| self.charged_to(scope.id, &scope.name, kind(scope.of));
        let mut listed = scopes.iter().map(charged).collect::<Result<Vec<_>>>()?;
        let host = self.charged_to(ScopeId::HOST, HOST, ScopeKind::Host)?.status;
        let mut accounts = self.limit.accounts()?;
        accounts.retain(|account| scopes.iter().any(|scope| scope.id == account.id.scope));
        rank(&mut accounts);
        let unlisted = accounts.len().saturating_sub(scope_status::ACCOUNTS_LISTED) as u64;
        accounts.truncate(scope_status::ACCOUNTS_LISTED);
        let counts = self.limit.programs()?;
        let blocked = self.blocked(&scopes, &counts)?;
        listed.extend(self.accounts(&accounts, &scopes, &counts).into_iter().map(|(_, charged)| charged));
        let (host_ledger, _) = self.limit.accounting(ScopeId::HOST)?;
        let (programs, others) =
            programs::ranked(counts, &host_ledger, programs::LISTED, |program| self.identify(program));
        let faults = self.limit.faults()?;
        let degraded = match self.limit.mode() {
            Mode::Enforce => None,
            Mode::Audit => Some(Degradation::Audit),
            Mode::Off => Some(Degradation::Off),
        };
        Ok(Status {
            mode: self.limit.mode().into(),
            preset: String::new(),
            persist: true,
            config_hash: String::new(),
            host,
            scopes: listed.into_iter().map(|charged| charged.status).collect(),
            accounts_unlisted: unlisted,
            blocked,
            deny: self.deny()?,
            programs,
            others,
            earlier: Vec::new(),
            counting_since: UtcTime::ago(self.limit.counting()),
            counting_for_s: self.limit.counting().as_secs(),
            learned: None,
            trial: self.limit.trial().map(|(until, to)| TrialStatus {
                reverts_at: on_the_wall(until),
                reverts_in_ms: until.saturating_sub(monotonic()).as_millis() as u64,
                to: to.into(),
            }),
            gates: self.limit.forwarded()?.into_iter().map(GateStatus::from).collect(),
            names: self.names()?,
            conntrack: crate::conntrack::Counts::open().now(),
            faults: faults.iter().map(FaultStatus::from).collect(),
            degraded: degraded.into_iter().map(DegradedStatus::from).collect(),
            unwatched: Some(self.told()),
            pid: 0,
        })
    }

    /// The attempts of a program or to a destination, and what they wait for.
    pub fn why(&mut self, subject: &Subject) -> Result<Why> {
        let mut found = self.limit.attempts()?;
        found.retain(|attempt| concerns(attempt, subject));
        found.sort_by_key(|attempt| Reverse(attempt.age));
        let in_all = found.len();
        found.truncate(LISTED);
        let scopes = self.limit.scopes()?;
        let host = self.charged_to(ScopeId::HOST, HOST, ScopeKind::Host)?;
        let mut charged = HashMap::new();
        for scope in &scopes {
            let of_scope = self.charged_to(scope.id, &scope.name, kind(scope.of))?;
            charged.insert(AccountId::of_scope(scope.id), of_scope);
        }
        let mut accounts = self.limit.accounts()?;
        accounts.retain(|account| found.iter().any(|attempt| attempt.own == Some(account.id)));
        let counts = self.limit.programs()?;
        charged.extend(self.accounts(&accounts, &scopes, &counts));
        let host_status = host.status.clone();
        charged.insert(AccountId::of_scope(ScopeId::HOST), host);
        let attempts: Vec<AttemptStatus> =
            found.iter().map(|attempt| explained(attempt, &charged, &Destinations::default())).collect();
        let note = match self.limit.mode() {
            Mode::Enforce => None,
            Mode::Audit => Some("mode is audit: nothing is held".to_owned()),
            Mode::Off => Some("mode is off: nothing is held or counted".to_owned()),
        };
        Ok(Why { host: host_status, note, named: None, in_all, attempts, unwatched: Some(self.told()) })
    }

    /// The value in force for a key, if it is one of those that are pinned.
    pub fn get(&self, text: &str) -> Result<String> {
        let name = read_name(text)?;
        if name.is(general::MODE) {
            return Ok(crate::control::ModeStatus::from(self.limit.mode()).to_string());
        }
        let limits = self.limits_of(&name)?;
        let shown = limits.map(|limits| limits::shown(&limits, name.key)).filter(|shown| !shown.is_empty());
        shown.ok_or_else(|| {
            anyhow!(
                "{name}: the pins do not tell, and no daemon answers; `halfopen check` shows what the files say"
            )
        })
    }

    fn limits_of(&self, name: &Name) -> Result<Option<Limits>> {
        let (leaf, of) = match &name.rule {
            None => return Ok(self.limit.limits(ScopeId::HOST)),
            Some(RuleName::Scope(leaf)) if leaf == HOST => return Ok(self.limit.limits(ScopeId::HOST)),
            Some(RuleName::Scope(leaf)) => (leaf, [ScopeOf::Rule, ScopeOf::Exec]),
            Some(RuleName::Interface(leaf)) => (leaf, [ScopeOf::Interface; 2]),
            Some(RuleName::Deny(_)) => return Ok(None),
        };
        let scopes = self.limit.scopes()?;
        let found = scopes.iter().find(|scope| scope.name == *leaf && of.contains(&scope.of));
        let none = || WrongUse(format!("{name}: no such rule is in force"));
        Ok(self.limit.limits(found.ok_or_else(none)?.id))
    }

    fn charged_to(&self, id: ScopeId, name: &str, kind: ScopeKind) -> Result<Charged> {
        let limits = self.limit.limits(id).unwrap_or_else(limits::open);
        let (ledger, trust) = self.limit.accounting(id)?;
        let new = ScopeStatus::new(name, kind, &limits, &ledger);
        let by_hand = self.limit.hand_blocks()?.get(&AccountId::of_scope(id)).copied();
        let status = ScopeStatus { trust: trust_status(&trust, &limits, by_hand), ..new };
        Ok(Charged { status, limits, trust })
    }

    fn accounts(
        &mut self,
        accounts: &[Account],
        scopes: &[PinnedScope],
        counts: &[ProgramCount],
    ) -> Vec<(AccountId, Charged)> {
        let by_hand = self.limit.hand_blocks().unwrap_or_default();
        let charged = accounts.iter().filter_map(|account| {
            let scope = scopes.iter().find(|scope| scope.id == account.id.scope)?;
            let limits = self.limit.limits(scope.id)?;
            let identify = |program: &Program| identity::identify(program, &mut self.names, &mut self.lookup);
            let AccountIs { name, runs_in } = name_of(identify, account, &scope.name, counts);
            let new = ScopeStatus::new(&name, ScopeKind::Account, &limits, &account.ledger);
            let status = ScopeStatus {
                trust: trust_status(&account.trust, &limits, by_hand.get(&account.id).copied()),
                runs_in,
                ..new
            };
            Some((account.id, Charged { status, limits, trust: account.trust }))
        });
        charged.collect()
    }

    fn deny(&mut self) -> Result<Vec<DenyStatus>> {
        let of_all = self.limit.mode();
        let rules = self.limit.denied()?.into_iter().map(|rule| {
            let of_rule = if rule.audit { Mode::Audit } else { Mode::Enforce };
            let last = rule
                .count
                .last
                .map(|last| DeniedStatus::new(&last, self.identify(&last.program), on_the_wall(last.at)));
            DenyStatus {
                name: rule.count.name,
                mode: deny_status::mode_within(of_all, of_rule).into(),
                denied: rule.count.denied,
                would_have_denied: rule.count.would_have_denied,
                last,
            }
        });
        Ok(rules.collect())
    }

    fn names(&self) -> Result<Option<NamesStatus>> {
        let Some(read) = self.limit.names()? else { return Ok(None) };
        let trust = if read.of_host { Trusted::Host } else { Trusted::Client };
        Ok(Some(NamesStatus::new(trust, read.counts_for.as_secs(), read.resolvers, &read.counts)))
    }

    /// The accounts that are blocked by hand.
    fn blocked(&mut self, scopes: &[PinnedScope], counts: &[ProgramCount]) -> Result<Vec<BlockedStatus>> {
        let by_hand = self.limit.hand_blocks()?;
        let accounts = self.limit.accounts()?;
        let named = by_hand.iter().filter_map(|(id, until)| {
            let scope = scopes.iter().find(|scope| scope.id == id.scope)?;
            let known = accounts.iter().find(|account| account.id == *id).cloned();
            let account = known.unwrap_or_else(|| Account { id: *id, ..Account::default() });
            let identify = |program: &Program| identity::identify(program, &mut self.names, &mut self.lookup);
            let account = name_of(identify, &account, &scope.name, counts).name;
            Some(BlockedStatus { account, until: on_the_wall(*until) })
        });
        Ok(named.collect())
    }

    fn identify(&mut self, program: &Program) -> Identity {
        identity::identify(program, &mut self.names, &mut self.lookup)
    }
}

fn kind(of: ScopeOf) -> ScopeKind {
    match of {
        ScopeOf::Exec => ScopeKind::Exec,
        ScopeOf::Rule => ScopeKind::Rule,
        ScopeOf::Interface => ScopeKind::Interface,
    }
}
