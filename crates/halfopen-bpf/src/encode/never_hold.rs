//! `never_hold` in the form that `bpf/rules.h` looks up: each rule a bit, each condition a table of the bits
//! of the rules that it meets. The tables hold the rules of both policies, distinguished by the policy's
//! number.

use crate::abi;
use crate::abi::skeleton::HalfopenMaps;
use crate::encode::rule_keys::{Conditions, clear, put};
use crate::error::KernelError;
use crate::settings::NeverHold;
use crate::sys::executable::Executable;
use std::collections::BTreeMap;

const RULES: usize = abi::NEVER_HOLD_RULES as usize;
/// Without the terminating zero and one byte that shows that a name was truncated.
const LONGEST_NAME: usize = abi::CGROUP_NAME_LEN as usize - 2;
const DEEPEST: usize = abi::CGROUP_DEPTH as usize;

/// The tables of one policy.
#[derive(Debug, Default)]
struct Tables {
    masks: abi::never_hold,
    shared: Conditions,
    /// (from, name) to (number, rules).
    cgroups: BTreeMap<(u32, String), (u32, u64)>,
}

fn tables(rules: &[NeverHold], files: &[Option<Executable>], policy: u32) -> Result<Tables, KernelError> {
    let mut tables = Tables::default();
    let mut last_place = policy;
    for (number, (rule, file)) in rules.iter().zip(files).enumerate() {
        if number >= RULES {
            return Err(KernelError::TooManyNeverHeld(RULES));
        }
        let bit = 1 << number;
        tables.shared.add(bit, rule.user, rule.exe.as_ref(), *file);
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
                        // Its parity is the policy's, so that places of the two policies never meet.
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
    (tables.masks.any_user, tables.masks.any_exe) = (tables.shared.any_user, tables.shared.any_exe);
    Ok(tables)
}

/// Writes the tables for the policy with this number, which must not be in force. Returns what belongs in the
/// policy.
pub(crate) fn write(
    maps: &HalfopenMaps<'_>,
    rules: &[NeverHold],
    files: &[Option<Executable>],
    policy: u32,
) -> Result<abi::never_hold, KernelError> {
    let tables = tables(rules, files, policy)?;
    tables.shared.write(&maps.never_hold_users, &maps.never_hold_exes, policy)?;
    clear(&maps.never_hold_cgroups, |step: abi::cgroup_step| step.from & 1 == policy)?;
    for ((from, name), (number, rules)) in &tables.cgroups {
        let step = abi::cgroup_step { from: *from, name: abi::chars(name) };
        let place = abi::cgroup_place { number: *number, pad: 0, rules: *rules };
        put(&maps.never_hold_cgroups, &step, &place)?;
    }
    Ok(tables.masks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::executable::Executables;

    fn in_cgroup(path: &str) -> NeverHold {
        NeverHold { cgroup: Some(path.to_owned()), ..NeverHold::default() }
    }

    #[test]
    fn a_rule_s_bit_stands_where_its_conditions_are_met() {
        let root = NeverHold { user: Some(0), ..in_cgroup("/system.slice/a.service") };
        let rules = [in_cgroup("/system.slice"), root, NeverHold { user: Some(7), ..NeverHold::default() }];
        let tables = tables(&rules, &[None; 3], 1).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.any_exe), (0b111, 0b111));
        assert_eq!((tables.masks.any_cgroup, tables.masks.any_user), (0b100, 0b001));
        assert_eq!(tables.shared.users, [(0, 0b010), (7, 0b100)].into());
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
            Err(KernelError::TooManyNeverHeld(RULES))
        ));
    }

    #[test]
    fn an_executable_that_is_not_there_meets_nobody() {
        let rule = NeverHold { exe: Some("/nonexistent".into()), ..NeverHold::default() };
        let rules = [rule];
        let tables =
            tables(&rules, &Executables::new().unwrap().at([rules[0].exe.as_ref()].into_iter()), 0).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.any_exe, tables.shared.exes.len()), (1, 0, 0));
    }
}
