//! Finds the account that a user names, also one whose cgroup is gone or that the kernel part has forgotten.

use crate::config::{Accounts, alike};
use crate::control::scope_status::ACCOUNTS_LISTED;
use crate::control::{AccountName, ScopeKind, Whose};
use crate::daemon::accounts::rank;
use crate::daemon::enforcement::{Enforcement, HOST};
use anyhow::{Context, Result, bail};
use halfopen_bpf::{Account, AccountId, AccountOf, KernelError, Program, ScopeId, text::unescaped};
use halfopen_policy::Limits;
use std::collections::BTreeSet;

/// A scope that attempts can be charged to.
#[derive(Debug, Clone)]
pub(super) struct KnownScope {
    pub id: ScopeId,
    pub name: String,
    pub kind: ScopeKind,
    pub limits: Limits,
}

/// The account that was named.
#[derive(Debug, Clone)]
pub(super) struct NamedAccount {
    pub id: AccountId,
    /// As `status` shows it.
    pub name: String,
    pub scope: KnownScope,
    /// What the kernel part has of it; `None` for a scope itself, and for an account that it has forgotten.
    pub account: Option<Account>,
}

impl NamedAccount {
    /// The path of its cgroup, if it is a cgroup's and the path is known.
    pub fn path(&self) -> Option<&str> {
        let path = self.name.split_once('[')?.1.strip_suffix(']')?;
        path.starts_with('/').then_some(path)
    }
}

/// How many near names are told.
const TOLD: usize = 3;

impl Enforcement {
    /// All scopes, the host first.
    pub(super) fn known_scopes(&self) -> Vec<KnownScope> {
        let host = KnownScope {
            id: ScopeId::HOST,
            name: HOST.to_owned(),
            kind: ScopeKind::Host,
            limits: self.host_limits(),
        };
        let execs = self.scopes.iter().map(|exec| KnownScope {
            id: exec.id,
            name: exec.name.clone(),
            kind: ScopeKind::Exec,
            limits: exec.limits,
        });
        let rules = self.rule_scopes();
        let rules = rules.iter().map(|scope| KnownScope {
            id: scope.id,
            name: scope.name.clone(),
            kind: scope.kind,
            limits: scope.limits,
        });
        std::iter::once(host).chain(execs).chain(rules).collect()
    }

    /// Finds a scope or an account.
    ///
    /// # Errors
    /// If there is none of that name, with names like it, or more than one.
    pub(super) fn find_account(&mut self, asked: &AccountName) -> Result<NamedAccount> {
        let asked = self.with_number(asked)?;
        let AccountName { scope, whose } = &asked;
        let scopes = self.known_scopes();
        let candidates: Vec<&KnownScope> =
            scopes.iter().filter(|known| scope.is_empty() || known.name == *scope).collect();
        if candidates.is_empty() {
            bail!("{}", self.unknown("scope", &asked, &scopes)?);
        }
        let Some(whose) = whose else {
            let scope = candidates[0].clone();
            let id = AccountId::of_scope(scope.id);
            return Ok(NamedAccount { id, name: scope.name.clone(), scope, account: None });
        };
        let by_path = self.number_of_path(whose);
        let is_among = |id: ScopeId| candidates.iter().any(|scope| scope.id == id);
        let accounts = self.limiter.accounts()?;
        let counted = accounts.iter().filter(|account| is_among(account.id.scope));
        let counted = counted.filter(|account| is_of(account, whose, by_path)).map(|account| account.id);
        let seen = candidates.iter().filter_map(|scope| {
            let id = AccountId { scope: scope.id, id: by_path? };
            self.seen.of(id, &scope.name).map(|_| id)
        });
        let ids: BTreeSet<AccountId> = counted.chain(seen).collect();
        // An earlier daemon may have seen the cgroup, and this one not.
        if let (Whose::CgroupAt(path), Some(number), false) = (whose, by_path, ids.is_empty()) {
            self.means.account_paths.keep(number, path.clone());
        }
        let mut found = self.name_accounts(&ids, accounts)?;
        match found.len() {
            0 => bail!("{}", self.unknown("account", &asked, &scopes)?),
            1 => Ok(found.remove(0)),
            _ => {
                let asked = self.as_shown(&asked);
                let names: Vec<String> = found.into_iter().map(|found| format!("'{}'", found.name)).collect();
                bail!("{asked} is the name of more than one account: name one of {}", names.join(", "))
            }
        }
    }

    /// The accounts with these ids, those with the most to report first, those that the kernel part has forgotten last.
    pub(super) fn name_accounts(
        &mut self,
        ids: &BTreeSet<AccountId>,
        mut accounts: Vec<Account>,
    ) -> Result<Vec<NamedAccount>, KernelError> {
        let scopes = self.known_scopes();
        let programs = self.limiter.programs()?;
        accounts.retain(|account| ids.contains(&account.id));
        rank(&mut accounts);
        let known: BTreeSet<AccountId> = accounts.iter().map(|account| account.id).collect();
        let counted = accounts.into_iter().map(|account| (account.id, Some(account)));
        let others = ids.difference(&known).map(|id| (*id, None));
        let named = counted.chain(others).filter_map(|(id, account)| {
            let scope = scopes.iter().find(|scope| scope.id == id.scope)?.clone();
            let forgotten = || Account { id, ..Account::default() };
            let named = account.clone().unwrap_or_else(forgotten);
            let name = self.means.name_account(&named, &scope.name, &programs).name;
            Some(NamedAccount { id, name, scope, account })
        });
        Ok(named.collect())
    }

    /// The number that the account of a cgroup's path has in every scope.
    fn number_of_path(&self, whose: &Whose) -> Option<u64> {
        let Whose::CgroupAt(path) = whose else { return None };
        let bytes = unescaped(path)?;
        let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        self.limiter.account_of_path(&names)
    }

    /// With the user's number in place of the name.
    fn with_number(&mut self, asked: &AccountName) -> Result<AccountName> {
        let Some(Whose::UserNamed(user)) = &asked.whose else { return Ok(asked.clone()) };
        Accounts::read_anew(&mut self.means.helper);
        let number = Accounts::known().listed(user);
        // The name service may take a second: commands ask it themselves.
        let number = number.with_context(|| format!("/etc/passwd has no user {user}: name its number"))?;
        Ok(AccountName { whose: Some(Whose::User(number)), ..asked.clone() })
    }

    /// With the user's name in place of the number, as `status` and events have it.
    fn as_shown(&mut self, asked: &AccountName) -> AccountName {
        let whose = asked.whose.clone().map(|whose| match whose {
            Whose::User(uid) => {
                let program = Program { pid: 0, uid, comm: String::new(), cgroup_id: 0 };
                Whose::UserNamed(self.means.identify(&program).user)
            }
            whose => whose,
        });
        AccountName { scope: asked.scope.clone(), whose }
    }

    fn unknown(&mut self, what: &str, asked: &AccountName, scopes: &[KnownScope]) -> Result<String> {
        let mut names: Vec<String> = scopes.iter().map(|scope| scope.name.clone()).collect();
        let mut accounts = self.limiter.accounts()?;
        rank(&mut accounts);
        accounts.truncate(ACCOUNTS_LISTED);
        let ids = accounts.iter().map(|account| account.id).collect();
        names.extend(self.name_accounts(&ids, accounts)?.into_iter().map(|account| account.name));
        let asked = self.as_shown(asked);
        let near = alike(&asked.to_string(), names.iter().map(String::as_str), TOLD);
        let near: Vec<String> = near.into_iter().map(|name| format!("'{name}'")).collect();
        let hint = if near.is_empty() {
            "`halfopen status` lists those that there are".to_owned()
        } else {
            format!("the names most like it are {}; `halfopen status` lists more", near.join(", "))
        };
        let why = if what == "account" {
            "; none of its attempts has been counted, or the last was too long ago"
        } else {
            ""
        };
        Ok(format!("there is no {what} {asked}{why}: {hint}"))
    }
}

/// Whether `whose` names this account. An account by cgroup can be named by its path, also when the cgroup is gone, by
/// its cgroup's number, or by its own.
fn is_of(account: &Account, whose: &Whose, by_path: Option<u64>) -> bool {
    let Some(of) = account.id.of() else { return false };
    match (of, whose) {
        (AccountOf::Cgroup(_), Whose::CgroupAt(_)) => by_path == Some(account.id.id),
        (AccountOf::Cgroup(id), Whose::Cgroup(number)) => account.cgroup == *number || id == *number,
        (AccountOf::User(uid), Whose::User(number)) => uid == *number,
        (AccountOf::UserNamespace(of), Whose::UserNamespace(number)) => of == *number,
        (AccountOf::Process { pid, .. }, Whose::Process(number, _)) => pid == *number,
        _ => false,
    }
}
