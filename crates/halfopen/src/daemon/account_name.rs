//! The name of an account, from the numbers that the kernel part knows it by.

use crate::control::{AccountName, Whose};
use crate::events::Identity;
use crate::runs_in::RunsIn;
use halfopen_bpf::{Account, AccountOf, Program, ProgramCount};

/// An account as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountIs {
    /// Its name.
    pub name: String,
    /// What its cgroup belongs to.
    pub runs_in: RunsIn,
}

/// `identify` finds the names of a user or of a cgroup; `programs` are those that are counted.
pub(crate) fn name_of(
    mut identify: impl FnMut(&Program) -> Identity,
    account: &Account,
    scope: &str,
    programs: &[ProgramCount],
) -> AccountIs {
    let mut runs_in = RunsIn::default();
    let mut identify = |uid, cgroup_id| identify(&Program { pid: 0, uid, comm: String::new(), cgroup_id });
    let whose = account.id.of().map(|whose| match whose {
        AccountOf::Cgroup(id) => {
            let found = identify(0, account.cgroup);
            runs_in = found.runs_in;
            found.cgroup.map_or(Whose::Cgroup(id), Whose::CgroupAt)
        }
        AccountOf::User(uid) => Whose::UserNamed(identify(uid, 0).user),
        AccountOf::UserNamespace(number) => Whose::UserNamespace(number),
        AccountOf::Process { pid, .. } => {
            let program = programs.iter().find(|count| count.program.pid == pid);
            Whose::Process(pid, program.map_or_else(String::new, |count| count.program.comm.clone()))
        }
    });
    AccountIs { name: AccountName { scope: scope.to_owned(), whose }.to_string(), runs_in }
}
