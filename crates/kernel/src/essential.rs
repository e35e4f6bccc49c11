//! Who is never held, in the form that `bpf/essential.h` looks up: each rule a bit, each condition a table of the rules
//! that it meets. The tables hold the rules of both policies, told apart by the policy's number.

use crate::limiter::bpf;
use crate::skeleton::HalfopenMaps;
use crate::skeleton::types;
use crate::{Essential, KernelError};
use libbpf_rs::{MapCore, MapFlags};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// `ESSENTIAL_RULES` of bpf/abi.h.
const RULES: usize = 64;
/// `CGROUP_NAME_LEN` of bpf/abi.h, less the zero at its end and one that tells a name cut short.
const LONGEST_NAME: usize = 58;
const NAME: usize = 60;
/// `CGROUP_DEPTH` of bpf/essential.h.
const DEEPEST: usize = 12;

/// An executable as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Executable {
    inode: u64,
    device: u32,
}

/// Looks executables up, also in a process that may no longer open files or search every directory.
#[derive(Debug)]
pub(crate) struct Executables {
    /// `/proc/self/mountinfo`, open: read anew from its start it tells of the mounts as they are then.
    mounts: File,
    known: BTreeMap<PathBuf, Executable>,
}

impl Executables {
    pub fn new() -> io::Result<Self> {
        Ok(Self { mounts: File::open("/proc/self/mountinfo")?, known: BTreeMap::new() })
    }

    /// The executables that the rules name, as they are now: where this differs, the rules must be written anew. One that
    /// cannot be looked up counts as it was.
    pub fn of(&mut self, rules: &[Essential]) -> Vec<Option<Executable>> {
        let named = |rule: &Essential| rule.exe.as_deref().and_then(|path| self.find(path));
        rules.iter().map(named).collect()
    }

    /// The file at `path`; `None` where there is none.
    fn find(&mut self, path: &Path) -> Option<Executable> {
        match self.look_up(path) {
            Ok(found) => drop(self.known.insert(path.to_owned(), found)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.known.remove(path);
            }
            Err(_) => {}
        }
        self.known.get(path).copied()
    }

    /// The device is the mount's: what `stat` tells may be another on file systems of several volumes.
    fn look_up(&mut self, path: &Path) -> io::Result<Executable> {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::MNT_ID)?;
        let mut mounts = String::new();
        self.mounts.rewind()?;
        self.mounts.read_to_string(&mut mounts)?;
        let of_mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            (fields.next()?.parse() == Ok(found.stx_mnt_id)).then_some(())?;
            let (major, minor) = fields.nth(1)?.split_once(':')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        let (major, minor) = of_mount.unwrap_or((found.stx_dev_major, found.stx_dev_minor));
        Ok(Executable { inode: found.stx_ino, device: major << 20 | minor })
    }
}

/// The tables of one policy.
#[derive(Debug, Default)]
struct Tables {
    masks: types::essential,
    users: BTreeMap<u32, u64>,
    exes: BTreeMap<Executable, u64>,
    /// (from, name) to (number, rules).
    cgroups: BTreeMap<(u32, String), (u32, u64)>,
}

fn tables(rules: &[Essential], files: &[Option<Executable>], policy: u32) -> Result<Tables, KernelError> {
    let mut tables = Tables::default();
    let mut last_place = policy;
    for (number, (rule, file)) in rules.iter().zip(files).enumerate() {
        if number >= RULES {
            return Err(KernelError::TooManyEssential(RULES));
        }
        let bit = 1 << number;
        match (&rule.exe, file) {
            (None, _) => tables.masks.any_exe |= bit,
            (Some(_), Some(file)) => *tables.exes.entry(*file).or_default() |= bit,
            // Not installed here: nobody runs it.
            (Some(_), None) => {}
        }
        match rule.user {
            None => tables.masks.any_user |= bit,
            Some(user) => *tables.users.entry(user).or_default() |= bit,
        }
        match &rule.cgroup {
            None => tables.masks.any_cgroup |= bit,
            Some(path) => {
                let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
                if names.is_empty() || names.len() > DEEPEST || names.iter().any(|n| n.len() > LONGEST_NAME) {
                    return Err(KernelError::CgroupPath(path.clone()));
                }
                let mut from = policy;
                for (depth, name) in names.iter().enumerate() {
                    let place = tables.cgroups.entry((from, (*name).to_owned())).or_insert_with(|| {
                        // Its parity is the policy's: places of the two never meet.
                        last_place += 2;
                        (last_place, 0)
                    });
                    if depth + 1 == names.len() {
                        place.1 |= bit;
                    }
                    from = place.0;
                }
            }
        }
        tables.masks.rules |= bit;
    }
    Ok(tables)
}

fn user_key(policy: u32, user: u32) -> Vec<u8> {
    [policy.to_ne_bytes(), user.to_ne_bytes()].concat()
}

fn exe_key(policy: u32, exe: Executable) -> Vec<u8> {
    [&exe.inode.to_ne_bytes()[..], &exe.device.to_ne_bytes(), &policy.to_ne_bytes()].concat()
}

fn step_key(from: u32, name: &str) -> Vec<u8> {
    let mut key = from.to_ne_bytes().to_vec();
    key.extend(name.as_bytes());
    key.resize(4 + NAME, 0);
    key
}

/// Writes the tables for the policy of this number, which must not be in force. Returns what belongs into it.
pub(crate) fn write(
    maps: &HalfopenMaps<'_>,
    rules: &[Essential],
    files: &[Option<Executable>],
    policy: u32,
) -> Result<types::essential, KernelError> {
    let tables = tables(rules, files, policy)?;
    clear(&maps.essential_users, |key| word(key, 0) == policy)?;
    clear(&maps.essential_exes, |key| word(key, 12) == policy)?;
    clear(&maps.essential_cgroups, |key| word(key, 0) & 1 == policy)?;
    for (user, rules) in &tables.users {
        put(&maps.essential_users, &user_key(policy, *user), &rules.to_ne_bytes())?;
    }
    for (exe, rules) in &tables.exes {
        put(&maps.essential_exes, &exe_key(policy, *exe), &rules.to_ne_bytes())?;
    }
    for ((from, name), (number, rules)) in &tables.cgroups {
        let place = [&number.to_ne_bytes()[..], &[0; 4], &rules.to_ne_bytes()].concat();
        put(&maps.essential_cgroups, &step_key(*from, name), &place)?;
    }
    Ok(tables.masks)
}

fn put(map: &impl MapCore, key: &[u8], value: &[u8]) -> Result<(), KernelError> {
    map.update(key, value, MapFlags::ANY).map_err(|error| bpf("writing the rules of `essential`", error))
}

fn clear(map: &impl MapCore, of_policy: impl Fn(&[u8]) -> bool) -> Result<(), KernelError> {
    for key in map.keys().filter(|key| of_policy(key)).collect::<Vec<_>>() {
        map.delete(&key).map_err(|error| bpf("removing old rules of `essential`", error))?;
    }
    Ok(())
}

fn word(key: &[u8], at: usize) -> u32 {
    key.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(u32::MAX, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_cgroup(path: &str) -> Essential {
        Essential { cgroup: Some(path.to_owned()), ..Essential::default() }
    }

    #[test]
    fn a_rule_s_bit_stands_where_its_conditions_are_met() {
        let root = Essential { user: Some(0), ..in_cgroup("/system.slice/a.service") };
        let rules = [in_cgroup("/system.slice"), root, Essential { user: Some(7), ..Essential::default() }];
        let tables = tables(&rules, &[None; 3], 1).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.any_exe), (0b111, 0b111));
        assert_eq!((tables.masks.any_cgroup, tables.masks.any_user), (0b100, 0b001));
        assert_eq!(tables.users, [(0, 0b010), (7, 0b100)].into());
        let (slice, of_slice) = tables.cgroups[&(1, "system.slice".to_owned())];
        let (_, of_service) = tables.cgroups[&(slice, "a.service".to_owned())];
        assert_eq!((of_slice, of_service, slice & 1), (0b001, 0b010, 1));
    }

    #[test]
    fn what_the_kernel_part_cannot_hold_is_refused() {
        let long = format!("/{}", "x".repeat(LONGEST_NAME + 1));
        for wrong in ["/", "", &long, &"/x".repeat(DEEPEST + 1)] {
            assert!(matches!(tables(&[in_cgroup(wrong)], &[None], 0), Err(KernelError::CgroupPath(_))));
        }
        let many = vec![in_cgroup("/a"); RULES + 1];
        assert!(matches!(
            tables(&many, &vec![None; RULES + 1], 0),
            Err(KernelError::TooManyEssential(RULES))
        ));
    }

    #[test]
    fn an_executable_that_is_not_there_meets_nobody() {
        let rule = Essential { exe: Some("/nonexistent".into()), ..Essential::default() };
        let rules = [rule];
        let tables = tables(&rules, &Executables::new().unwrap().of(&rules), 0).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.any_exe, tables.exes.len()), (1, 0, 0));
    }
}
