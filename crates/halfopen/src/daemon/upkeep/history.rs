//! Gathers what the history keeps, and hands it over each minute.

use crate::daemon::chronicle::dials::Noted;
use crate::daemon::enforcement::{Enforcement, HOST};
use crate::events::Identity;
use crate::history::{Dial, DialProgram, MinuteRow};
use crate::utc_time::UtcTime;
use halfopen_bpf::{Account, AccountId, KernelError, Program, ScopeId, monotonic};
use halfopen_policy::{Ledger, Limits};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
/// How many rows a minute has. The other accounts are summed up, scope by scope.
const ROWS: usize = 500;
/// How long the end of a minute may ask for the names of accounts. Those without a name are summed up too.
const NAMING: Duration = Duration::from_millis(50);
/// Reading the ledgers of all accounts may take one part in this many of the daemon's time.
const SHARE: u32 = 100;

impl Enforcement {
    /// Reads the ledgers for the history, and hands over what is due.
    ///
    /// # Errors
    /// If the kernel part cannot be read.
    pub(super) fn record_history(&mut self) -> Result<(), KernelError> {
        let Some(recorder) = &mut self.announcer.recorder else { return Ok(()) };
        recorder.tend();
        if !recorder.keeps_history() {
            return Ok(());
        }
        let now = UtcTime::now().as_ms().max(0).cast_unsigned() / 60_000;
        let minute = *self.chronicle.minute.get_or_insert(now);
        let is_over = minute != now;
        if is_over || self.chronicle.next_look <= monotonic() {
            self.look_for_history()?;
        }
        self.record_dials()?;
        if is_over {
            self.record_minute(minute)?;
            self.chronicle.minute = Some(now);
        }
        Ok(())
    }

    /// Hands over what the minute that goes on has so far.
    pub(in crate::daemon) fn finish_history(&mut self) {
        let Some(minute) = self.chronicle.minute.take() else { return };
        let finished = self
            .look_for_history()
            .and_then(|()| self.record_dials())
            .and_then(|()| self.record_minute(minute));
        if let Err(e) = finished {
            tracing::warn!("the history lacks the last minute: {}", e.in_full());
        }
    }

    fn look_for_history(&mut self) -> Result<(), KernelError> {
        let began = Instant::now();
        let host = self.limiter.ledger(ScopeId::HOST)?;
        // While nothing happens on the host, nothing happens in its accounts.
        let idle = self.chronicle.minutes.is_as_before(&host);
        let ledgers = if idle { Vec::new() } else { self.all_ledgers()? };
        let minutes = &mut self.chronicle.minutes;
        if !idle {
            minutes.begin_look();
            minutes.look(AccountId::of_scope(ScopeId::HOST), &host);
            for (account, ledger) in &ledgers {
                minutes.look(*account, ledger);
            }
            minutes.end_look();
        }
        let took = began.elapsed();
        self.chronicle.next_look = monotonic() + (took * SHARE).max(Duration::from_millis(900));
        Ok(())
    }

    fn all_ledgers(&self) -> Result<Vec<(AccountId, Ledger)>, KernelError> {
        let scopes = self.narrower_scopes().into_iter();
        let mut all = scopes
            .map(|(id, _)| Ok((AccountId::of_scope(id), self.limiter.ledger(id)?)))
            .collect::<Result<Vec<_>, KernelError>>()?;
        all.extend(self.limiter.accounts()?.into_iter().map(|account| (account.id, account.ledger)));
        Ok(all)
    }

    /// Ends `minute`.
    fn record_minute(&mut self, minute: u64) -> Result<(), KernelError> {
        let rows = self.chronicle.minutes.end(minute);
        self.note_live_dials(rows.len() > 1)?;
        let scopes = self.rule_scopes();
        self.chronicle.names_of(&scopes);
        let mut limits: HashMap<ScopeId, (String, Limits)> =
            scopes.iter().map(|scope| (scope.id, (scope.name.clone(), scope.limits))).collect();
        limits.insert(ScopeId::HOST, (HOST.to_owned(), self.host_limits()));
        limits.extend(self.scopes.iter().map(|exec| (exec.id, (exec.name.clone(), exec.limits))));
        let wanted: HashSet<AccountId> = rows.iter().map(|(account, _)| *account).collect();
        let accounts: HashMap<AccountId, Account> = if rows.len() > 1 {
            let all = self.limiter.accounts()?.into_iter();
            all.filter(|account| wanted.contains(&account.id)).map(|account| (account.id, account)).collect()
        } else {
            HashMap::new()
        };
        let began = Instant::now();
        let (mut named, mut others) = (Vec::new(), HashMap::<String, MinuteRow>::new());
        for (id, mut row) in rows {
            let Some((scope, limits)) = limits.get(&id.scope).cloned() else { continue };
            (row.scope, row.limit) = (scope.clone(), limits.half_open);
            row.established_limit = limits.connections.established;
            row.connect_limit_per_min =
                limits.connections.rate.map(|of| MINUTE.as_nanos() as u64 / of.rate.interval_ns());
            let account = accounts.get(&id);
            let trust = match account {
                None if id.id == 0 => Some(self.limiter.trust(id.scope)?),
                account => account.map(|account| account.trust),
            };
            row.suspect = trust.is_some_and(|trust| trust.suspect_since.is_some());
            let may = named.len() < ROWS && began.elapsed() < NAMING;
            let name = if id.id == 0 {
                Some(scope.clone())
            } else {
                self.name_for_history(id, account, &scope, may)
            };
            if let Some(name) = name.filter(|_| named.len() < ROWS) {
                row.account = name;
                named.push(row);
            } else {
                others.entry(scope).or_default().add(&row);
            }
        }
        named.extend(others.into_iter().map(|(scope, row)| MinuteRow {
            minute,
            account: format!("other accounts of {scope}"),
            scope,
            limit: None,
            ..row
        }));
        if let Some(recorder) = &mut self.announcer.recorder {
            recorder.minutes(&named);
        }
        self.record_dials()
    }

    /// The name of an account. It is asked for only if that `may` be.
    fn name_for_history(
        &mut self,
        id: AccountId,
        account: Option<&Account>,
        scope: &str,
        may: bool,
    ) -> Option<String> {
        if let Some(known) = self.chronicle.name(id) {
            return Some(known.clone());
        }
        let name = self.means.name_account(account.filter(|_| may)?, scope, &[]).name;
        self.chronicle.is_called(id, name.clone());
        Some(name)
    }

    /// Notes the attempts that are out when a minute ends: nobody has heard of those that did not wait.
    fn note_live_dials(&mut self, any: bool) -> Result<(), KernelError> {
        let host = self.limiter.ledger(ScopeId::HOST)?;
        let live = if any || host.half_open + host.aged + host.queued > 0 {
            self.limiter.attempts()?
        } else {
            Vec::new()
        };
        let cookies = live.iter().map(|attempt| attempt.place.cookie).collect();
        self.chronicle.dials.begin_minute(Some(&cookies));
        let now = monotonic();
        for attempt in &live {
            self.chronicle.dials.live(now, attempt);
        }
        Ok(())
    }

    /// Hands over the attempts that were noted.
    fn record_dials(&mut self) -> Result<(), KernelError> {
        let noted = self.chronicle.dials.take();
        if noted.is_empty() {
            return Ok(());
        }
        let nameless = |id: &AccountId| id.id != 0 && self.chronicle.name(*id).is_none();
        let nameless: HashSet<AccountId> = noted.iter().map(|noted| noted.account).filter(nameless).collect();
        if !nameless.is_empty() {
            for (id, charged) in self.charged(nameless.into_iter())? {
                self.chronicle.is_called(id, charged.status.name);
            }
        }
        let scopes: HashMap<ScopeId, String> = self.narrower_scopes().into_iter().collect();
        let (now, clock) = (monotonic(), UtcTime::now());
        let mut programs = HashMap::new();
        let mut dials = Vec::with_capacity(noted.len());
        for Noted { at, account, program, destination, gone } in noted {
            let of_scope = || scopes.get(&account.scope).cloned().unwrap_or_else(|| HOST.to_owned());
            let name = self.chronicle.name(account).cloned().unwrap_or_else(of_scope);
            let known = programs.entry(program.clone());
            let found = known.or_insert_with_key(|program| self.program_for_history(account, program));
            dials.push(Dial {
                time: clock.before(now.saturating_sub(at)),
                account: name,
                pid: program.pid,
                program: found.clone(),
                destination,
                gone,
            });
        }
        if let Some(recorder) = &mut self.announcer.recorder {
            recorder.dials(&dials);
        }
        Ok(())
    }

    /// What is known of a program: what was found out when its attempts began to wait, or what can be found out now.
    fn program_for_history(&mut self, account: AccountId, program: &Program) -> DialProgram {
        let seen = self.seen.program(account, program).cloned();
        let found = seen.or_else(|| self.means.identify_early(program));
        let Identity { exe, cgroup, user, runs_in } = found.unwrap_or_else(|| Identity::unknown(program.uid));
        DialProgram {
            comm: program.comm.clone(),
            exe: exe.unwrap_or_default(),
            cgroup: cgroup.unwrap_or_default(),
            user,
            runs_in,
        }
    }
}
