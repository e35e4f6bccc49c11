//! Keeps what is seen of each account when its attempts begin to wait, and when it becomes a suspect.

use crate::daemon::enforcement::{Enforcement, ExecScope, HOST};
use crate::daemon::means::Means;
use crate::daemon::rule_scope::RuleScope;
use crate::daemon::seen::{Seen, Sighting};
use halfopen_bpf::{AccountId, AccountOf, HeldAttempt, KernelError, ScopeId, monotonic, text};

/// The account that an attempt is charged to besides the host, or else the host's.
fn account_of(own: Option<AccountId>) -> AccountId {
    own.unwrap_or(AccountId::of_scope(ScopeId::HOST))
}

fn name_of(scope: ScopeId, execs: &[ExecScope], rules: &[RuleScope]) -> Option<String> {
    let exec = execs.iter().find(|exec| exec.id == scope).map(|exec| exec.name.clone());
    let rule = || rules.iter().find(|rule| rule.id == scope).map(|rule| rule.name.clone());
    if scope == ScopeId::HOST { Some(HOST.to_owned()) } else { exec.or_else(rule) }
}

/// Notes `attempt`, which begins to wait, or whose silence `made_suspect` its account. Returns whether it is the first
/// of its account.
pub(super) fn see(
    seen: &mut Seen,
    means: &mut Means,
    attempt: &HeldAttempt,
    execs: &[ExecScope],
    rules: &[RuleScope],
    made_suspect: bool,
) -> bool {
    let account = account_of(attempt.own);
    let Some(scope) = name_of(account.scope, execs, rules) else { return false };
    let sighting = Sighting {
        at: attempt.at,
        account,
        scope: &scope,
        program: &attempt.program,
        destination: attempt.destination,
        waits: !made_suspect,
        made_suspect,
    };
    seen.note(&sighting, |program| means.look_up_early(program))
}

impl Enforcement {
    /// Notes the accounts of `suspects`, and the paths of those and of the `new` ones while their cgroups may still be
    /// there.
    pub(super) fn note_new(&mut self, rules: &[RuleScope], new: &[HeldAttempt], suspects: &[HeldAttempt]) {
        for attempt in suspects {
            see(&mut self.seen, &mut self.means, attempt, &self.scopes, rules, true);
        }
        self.seen.is_due |= !new.is_empty() || !suspects.is_empty();
        for attempt in new.iter().chain(suspects) {
            self.keep_path(attempt);
        }
    }

    /// Keeps the path of the account of `attempt`: that of its program's cgroup, or of one above.
    fn keep_path(&mut self, attempt: &HeldAttempt) {
        let Some(account) = attempt.own.filter(|own| matches!(own.of(), Some(AccountOf::Cgroup(_)))) else {
            return;
        };
        if self.means.account_paths.has(account.id) {
            return;
        }
        let Some(identity) = self.means.identify_early(&attempt.program) else { return };
        let path = identity.cgroup.unwrap_or_default();
        let mut found = self.accounts_at_or_above(&path).into_iter();
        if let Some((number, path)) = found.find(|(number, _)| *number == account.id) {
            self.means.account_paths.keep(number, path);
        }
    }

    /// Keeps the paths that the remembered events name: an earlier daemon wrote them, and the cgroups may be gone.
    pub(in crate::daemon) fn keep_paths_of_events(&mut self) {
        for event in self.announcer.remembered(None) {
            let paths = event.programs.iter().filter_map(|program| program.cgroup.as_deref());
            let accounts: Vec<_> = paths.flat_map(|path| self.accounts_at_or_above(path)).collect();
            for (number, path) in accounts {
                self.means.account_paths.keep(number, path);
            }
        }
    }

    /// The numbers that accounts of the cgroup at `path` and of those above it would have, with their paths.
    pub(in crate::daemon) fn accounts_at_or_above(&self, path: &str) -> Vec<(u64, String)> {
        let Some(path) = text::unescaped(path).filter(|path| path.starts_with(b"/")) else {
            return Vec::new();
        };
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let above = (0..=names.len()).map(|depth| &names[..depth]);
        let numbered = above.filter_map(|names| {
            let path = [b"/".as_slice(), &names.join(&b'/')].concat();
            Some((self.limiter.account_of_path(names)?, text::escaped(&path)))
        });
        numbered.collect()
    }

    /// Notes the live attempts if an account is new or has become a suspect: what went out at once was not heard of.
    pub(super) fn note_live(&mut self) -> Result<(), KernelError> {
        if !std::mem::take(&mut self.seen.is_due) {
            return Ok(());
        }
        let rules = self.rule_scopes();
        let now = monotonic();
        let Self { limiter, scopes, means, seen, chronicle, announcer, .. } = self;
        for attempt in limiter.attempts()? {
            let account = account_of(attempt.own);
            let Some(scope) = name_of(account.scope, scopes, &rules) else { continue };
            // Others have nothing to explain.
            if seen.of(account, &scope).is_none() {
                continue;
            }
            let sighting = Sighting {
                at: now.saturating_sub(attempt.age),
                account,
                scope: &scope,
                program: &attempt.program,
                destination: attempt.destination,
                waits: false,
                made_suspect: false,
            };
            seen.note(&sighting, |program| means.look_up_early(program));
            if announcer.keeps_history() {
                chronicle.dials.live(now, &attempt);
            }
        }
        Ok(())
    }
}
