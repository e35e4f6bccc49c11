//! The name of an account, from the numbers that the kernel part knows it by.

use crate::control::{AccountName, Whose};
use crate::events::Identity;
use halfopen_bpf::{Account, AccountOf, Program, ProgramCount};

/// `identify` finds the names of a user or of a cgroup; `programs` are those that are counted.
pub(crate) fn name_of(
    mut identify: impl FnMut(&Program) -> Identity,
    account: &Account,
    scope: &str,
    programs: &[ProgramCount],
) -> String {
    let mut identify = |uid, cgroup_id| identify(&Program { pid: 0, uid, comm: String::new(), cgroup_id });
    let whose = account.id.of().map(|whose| match whose {
        AccountOf::Cgroup(id) => {
            identify(0, account.cgroup).cgroup.map_or(Whose::Cgroup(id), Whose::CgroupAt)
        }
        AccountOf::User(uid) => Whose::UserNamed(identify(uid, 0).user),
        AccountOf::UserNamespace(number) => Whose::UserNamespace(number),
        AccountOf::Process { pid, .. } => {
            let program = programs.iter().find(|count| count.program.pid == pid);
            Whose::Process(pid, program.map_or_else(String::new, |count| count.program.comm.clone()))
        }
    });
    AccountName { scope: scope.to_owned(), whose }.to_string()
}
