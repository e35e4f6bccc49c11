//! The keys of the tables in which the kernel part looks up whom a rule is for, and writing such tables. They hold the
//! rules of both policies, told apart by the policy's number.

use crate::error::{KernelError, bpf};
use crate::sys::executable::Executable;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The conditions that rules of `essential` and of `[[scope]]` share: a bit for each rule.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub any_user: u64,
    pub any_exe: u64,
    pub users: BTreeMap<u32, u64>,
    pub exes: BTreeMap<Executable, u64>,
}

impl Conditions {
    /// Takes in what the rule of that bit asks for; `file` is its executable as it is now.
    pub fn add(&mut self, bit: u64, user: Option<u32>, exe: Option<&PathBuf>, file: Option<Executable>) {
        match (exe, file) {
            (None, _) => self.any_exe |= bit,
            (Some(_), Some(file)) => *self.exes.entry(file).or_default() |= bit,
            // Not installed here: nobody runs it.
            (Some(_), None) => {}
        }
        match user {
            None => self.any_user |= bit,
            Some(user) => *self.users.entry(user).or_default() |= bit,
        }
    }

    /// Writes them for the policy of this number, which must not be in force.
    pub fn write(&self, users: &impl MapCore, exes: &impl MapCore, policy: u32) -> Result<(), KernelError> {
        clear(users, |key| word(key, 0) == policy)?;
        clear(exes, |key| word(key, 12) == policy)?;
        for (user, rules) in &self.users {
            put(users, &user_key(policy, *user), &rules.to_ne_bytes())?;
        }
        for (exe, rules) in &self.exes {
            put(exes, &exe_key(policy, *exe), &rules.to_ne_bytes())?;
        }
        Ok(())
    }
}

/// `struct user_key` of bpf/abi.h.
fn user_key(policy: u32, user: u32) -> Vec<u8> {
    [policy.to_ne_bytes(), user.to_ne_bytes()].concat()
}

/// `struct exe_key`.
fn exe_key(policy: u32, exe: Executable) -> Vec<u8> {
    [&exe.inode.to_ne_bytes()[..], &exe.device.to_ne_bytes(), &policy.to_ne_bytes()].concat()
}

/// `struct comm_key` and `struct interface_key`: names of 16 bytes, the last one zero.
pub(crate) fn name_key(policy: u32, name: &str) -> Vec<u8> {
    const NAME: usize = 16;
    let mut key = policy.to_ne_bytes().to_vec();
    key.extend(name.bytes().take(NAME - 1));
    key.resize(4 + NAME, 0);
    key
}

/// The word at byte `at` of a key.
pub(crate) fn word(key: &[u8], at: usize) -> u32 {
    key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(u32::MAX, u32::from_ne_bytes)
}

pub(crate) fn put(map: &impl MapCore, key: &[u8], value: &[u8]) -> Result<(), KernelError> {
    let failed = |error| bpf(&format!("writing rules into {}", map.name().to_string_lossy()), error);
    map.update(key, value, MapFlags::ANY).map_err(failed)
}

/// Removes the entries of a policy that is not in force.
pub(crate) fn clear(map: &impl MapCore, of_policy: impl Fn(&[u8]) -> bool) -> Result<(), KernelError> {
    for key in map.keys().filter(|key| of_policy(key)).collect::<Vec<_>>() {
        let failed = |error| bpf(&format!("removing old rules from {}", map.name().to_string_lossy()), error);
        map.delete(&key).map_err(failed)?;
    }
    Ok(())
}
