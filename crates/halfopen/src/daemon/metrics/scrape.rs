//! A scrape: reads the ledgers, and chooses the accounts with metrics of their own.

use crate::config::Words;
use crate::config::general::PRESET;
use crate::daemon::account_name::AccountIs;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::daemon::rule_scope::RuleScope;
use crate::metrics::reading::{Account, Counts, Now, OTHER, Reading, ScopeTotal};
use crate::metrics::server::Scrape;
use crate::otlp::Exporter;
use crate::runs_in::RunsIn;
use halfopen_bpf::{Account as KernelAccount, AccountId, AccountOf, KernelError, ScopeId, Trust, monotonic};
use halfopen_policy::{Ledger, Limits};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long a scrape may ask for the names of accounts. Those without a name count among the others until the next.
const NAMING: Duration = Duration::from_millis(50);
/// The scopes of `exec` together: their own names have PIDs in them.
const EXEC: &str = "exec";

impl Enforcement {
    /// Answers a scrape.
    ///
    /// # Errors
    /// If the kernel part cannot be read. The client is told so.
    pub(in crate::daemon) fn scrape(&mut self, scrape: Scrape) -> Result<(), KernelError> {
        let reading = self.reading()?;
        // A client that is gone needs no answer.
        let _ = scrape.send(reading);
        Ok(())
    }

    fn reading(&mut self) -> Result<Reading, KernelError> {
        let mut reading = Reading {
            durations: self.limiter.durations()?,
            would_wait: self.learning.histogram(),
            faults: self.limiter.faults()?,
            degraded: self.degraded().into_iter().map(|found| found.reason).collect(),
            sent: self.announcer.exporter.as_ref().map(Exporter::counts),
            mode: self.mode_now().word(),
            preset: self.shown(PRESET),
            config_hash: self.resolved.hash(),
            counting_for: monotonic().saturating_sub(self.limiter.counting_since()),
            ..Reading::default()
        };
        let scopes = self.rule_scopes();
        let mut accounts = self.limiter.accounts()?;
        self.read_scope(&mut reading, ScopeId::HOST, HOST, &self.host_limits(), 0)?;
        for scope in scopes.iter() {
            let of_it = accounts.iter().filter(|account| account.id.scope == scope.id).count() as u64;
            self.read_scope(&mut reading, scope.id, &scope.name, &scope.limits, of_it)?;
        }
        self.read_accounts(&mut reading, &mut accounts, &scopes)?;
        Ok(reading)
    }

    fn read_scope(
        &self,
        reading: &mut Reading,
        id: ScopeId,
        name: &str,
        limits: &Limits,
        accounts: u64,
    ) -> Result<(), KernelError> {
        let (counts, now) = numbers(&self.limiter.ledger(id)?, &self.limiter.trust(id)?);
        reading.accounts.push(Account {
            scope: name.to_owned(),
            name: String::new(),
            runs_in: RunsIn::default(),
            counts,
            now,
        });
        let half_open_limit = limits.half_open;
        reading.scopes.push(ScopeTotal { name: name.to_owned(), half_open_limit, accounts });
        Ok(())
    }

    fn read_accounts(
        &mut self,
        reading: &mut Reading,
        accounts: &mut [KernelAccount],
        scopes: &[RuleScope],
    ) -> Result<(), KernelError> {
        let most = self.resolved.metrics().max_accounts as usize;
        let chosen = &mut self.endpoint.chosen;
        accounts.sort_by_key(|account| {
            let KernelAccount { trust, ledger, .. } = account;
            // Those that were shown last time stay, unless others are more urgent: a series should have no gaps.
            let shown = (chosen.had(account.id), ledger.last_waiter, trust.first_contacts);
            Reverse((trust.suspect_since.is_some(), ledger.queued > 0, shown))
        });
        let began = Instant::now();
        let (mut own, mut others) = (0, HashMap::<&str, Now>::new());
        let mut all = HashSet::new();
        for account in accounts.iter() {
            let Some(scope) = scopes.iter().find(|scope| scope.id == account.id.scope) else { continue };
            all.insert(account.id);
            let (counts, now) = numbers(&account.ledger, &account.trust);
            // Processes come and go: their PIDs would make series without end.
            let may = own < most && !matches!(account.id.of(), Some(AccountOf::Process { .. }));
            let means = &mut self.means;
            let name = || (began.elapsed() < NAMING).then(|| means.name_account(account, &scope.name, &[]));
            if let Some(AccountIs { name, runs_in }) = may.then(|| chosen.name(account.id, name)).flatten() {
                own += 1;
                chosen.note(account.id, counts);
                reading.accounts.push(Account { scope: scope.name.clone(), name, runs_in, counts, now });
            } else {
                chosen.add(&scope.name, account.id, counts);
                others.entry(&scope.name).or_default().add(now);
            }
        }
        for exec in &self.scopes {
            let (counts, now) = numbers(&self.limiter.ledger(exec.id)?, &self.limiter.trust(exec.id)?);
            let account = AccountId::of_scope(exec.id);
            all.insert(account);
            chosen.add(EXEC, account, counts);
            others.entry(EXEC).or_default().add(now);
        }
        chosen.keep(&all);
        for scope in scopes.iter().map(|scope| scope.name.as_str()).chain([EXEC]) {
            let Some(counts) = chosen.sum(scope) else { continue };
            let now = others.get(scope).copied().unwrap_or_default();
            let (scope, name, runs_in) = (scope.to_owned(), OTHER.to_owned(), RunsIn::default());
            reading.accounts.push(Account { scope, name, runs_in, counts, now });
        }
        Ok(())
    }
}

fn numbers(ledger: &Ledger, trust: &Trust) -> (Counts, Now) {
    (Counts::of(ledger, trust.first_contacts), Now::of(ledger, trust.suspect_since.is_some()))
}
