//! The tables in which the kernel part looks up the conditions of rules: their keys, and how they are
//! written. They hold the rules of both policies, distinguished by the policy's number.

use crate::abi;
use crate::abi::plain::{self, Plain};
use crate::error::{KernelError, bpf};
use crate::sys::executable::Executable;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The conditions that rules of `never_hold` and of `[[scope]]` share: a bit for each rule.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub any_user: u64,
    pub any_exe: u64,
    pub users: BTreeMap<u32, u64>,
    pub exes: BTreeMap<Executable, u64>,
}

impl Conditions {
    /// Adds the conditions of the rule with this bit; `file` is its executable as it is now.
    pub fn add(&mut self, bit: u64, user: Option<u32>, exe: Option<&PathBuf>, file: Option<Executable>) {
        match (exe, file) {
            (None, _) => self.any_exe |= bit,
            (Some(_), Some(file)) => *self.exes.entry(file).or_default() |= bit,
            // Not installed here, so no process runs it.
            (Some(_), None) => {}
        }
        match user {
            None => self.any_user |= bit,
            Some(user) => *self.users.entry(user).or_default() |= bit,
        }
    }

    /// Adds `rules`, which answer for the executables at `files` otherwise than for others.
    pub fn add_exes(&mut self, rules: u64, files: impl IntoIterator<Item = Executable>) {
        for file in files {
            *self.exes.entry(file).or_default() |= rules;
        }
    }

    /// The same for users.
    pub fn add_users(&mut self, rules: u64, users: impl IntoIterator<Item = u32>) {
        for user in users {
            *self.users.entry(user).or_default() |= rules;
        }
    }

    /// Writes them for the policy with this number, which must not be in force.
    pub fn write(&self, users: &impl MapCore, exes: &impl MapCore, policy: u32) -> Result<(), KernelError> {
        clear(users, |key: abi::user_key| key.policy == policy)?;
        clear(exes, |key: abi::exe_key| key.policy == policy)?;
        for (user, rules) in &self.users {
            put(users, &abi::user_key { policy, uid: *user }, rules)?;
        }
        for (exe, rules) in &self.exes {
            put(exes, &abi::exe_key { inode: exe.inode, device: exe.device, policy }, rules)?;
        }
        Ok(())
    }
}

/// Writes an entry.
pub(crate) fn put<K: Plain, V: Plain>(map: &impl MapCore, key: &K, value: &V) -> Result<(), KernelError> {
    let failed = |error| bpf(&format!("writing rules into {}", map.name().to_string_lossy()), error);
    map.update(plain::bytes(key), plain::bytes(value), MapFlags::ANY).map_err(failed)
}

/// Removes the entries for whose key `of_policy` holds: those of a policy that is not in force.
pub(crate) fn clear<K: Plain>(map: &impl MapCore, of_policy: impl Fn(K) -> bool) -> Result<(), KernelError> {
    let is_old = |key: &Vec<u8>| plain::read(key).is_some_and(&of_policy);
    for key in map.keys().filter(is_old).collect::<Vec<_>>() {
        let failed = |error| bpf(&format!("removing old rules from {}", map.name().to_string_lossy()), error);
        map.delete(&key).map_err(failed)?;
    }
    Ok(())
}
