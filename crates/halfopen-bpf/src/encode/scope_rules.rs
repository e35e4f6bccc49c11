//! `[[scope]]` in the form that `bpf/rules.h` looks up: each rule has a bit, or one for each of its patterns,
//! and all its bits have its scope. Each condition has a table of the bits of the rules that it meets.

use crate::abi;
use crate::abi::ScopeId;
use crate::abi::skeleton::HalfopenMaps;
use crate::encode::rule_keys::{Conditions, clear, put};
use crate::error::KernelError;
use crate::settings::{Per, ScopeRule};
use crate::sys::executable::Executable;
use std::collections::{BTreeMap, BTreeSet};

const RULES: usize = abi::RULES as usize;
const DEEPEST: usize = abi::CGROUP_DEPTH as usize;
/// Without the terminating zero.
const LONGEST_PATTERN: usize = abi::CGROUP_PATTERN_LEN as usize - 1;

/// The tables of one policy.
#[derive(Default)]
struct Tables {
    masks: abi::rules,
    shared: Conditions,
    comms: BTreeMap<String, u64>,
    /// By the number of the rule's bit.
    cgroups: BTreeMap<u32, abi::cgroup_pattern>,
}

/// The kernel part's form of a pattern.
fn pattern(text: &str) -> Result<abi::cgroup_pattern, KernelError> {
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    let joined = names.join("/");
    if names.len() > DEEPEST || joined.len() > LONGEST_PATTERN || !text.starts_with('/') {
        return Err(KernelError::CgroupPattern(text.to_owned()));
    }
    let mut pattern = abi::cgroup_pattern { depth: names.len() as u32, ..Default::default() };
    let mut at = 0;
    for (start, name) in pattern.start.iter_mut().zip(&names) {
        *start = at as u8;
        at += name.len() + 1;
    }
    pattern.text = abi::chars(&joined);
    Ok(pattern)
}

fn per(per: Per) -> u8 {
    let per = match per {
        Per::Rule => abi::PER_RULE,
        Per::Cgroup => abi::PER_CGROUP,
        Per::User => abi::PER_USER,
        Per::Process => abi::PER_PROCESS,
    };
    per as u8
}

impl Tables {
    /// Adds the conditions on the task for `bits`, those of one rule. Takes the rule's executables from `files`.
    fn add_conditions<'f>(
        &mut self,
        bits: u64,
        rule: &ScopeRule,
        files: &mut impl Iterator<Item = &'f Option<Executable>>,
    ) {
        if rule.comms.is_empty() {
            self.masks.any_comm |= bits;
        }
        for comm in &rule.comms {
            *self.comms.entry(comm.clone()).or_default() |= bits;
        }
        // One that is not installed here is run by no process.
        let mut take = |count| files.take(count).flatten().copied().collect::<BTreeSet<Executable>>();
        let (exes, not_exes) = (take(rule.exes.len()), take(rule.not.exes.len()));
        if !rule.exes.is_empty() || !not_exes.is_empty() {
            self.masks.by_exe |= bits;
        }
        if rule.exes.is_empty() {
            self.shared.any_exe |= bits;
            self.shared.add_exes(bits, not_exes);
        } else {
            self.shared.add_exes(bits, exes.difference(&not_exes).copied());
        }
        let [users, not_users] =
            [&rule.users, &rule.not.users].map(|users| users.iter().copied().collect::<BTreeSet<u32>>());
        if !users.is_empty() || !not_users.is_empty() {
            self.masks.by_user |= bits;
        }
        if users.is_empty() {
            self.shared.any_user |= bits;
            self.shared.add_users(bits, not_users);
        } else {
            self.shared.add_users(bits, users.difference(&not_users).copied());
        }
    }
}

fn tables(
    rules: &[ScopeRule],
    scopes: &[ScopeId],
    files: &[Option<Executable>],
    top_level: u32,
) -> Result<Tables, KernelError> {
    let mut tables = Tables::default();
    tables.masks.ended = (1 << RULES) - 1;
    let (mut number, mut files) = (0, files.iter());
    let mut left_out = Vec::new();
    for (rule, scope) in rules.iter().zip(scopes) {
        let first = number;
        let none = rule.cgroups.is_empty().then_some(None);
        for cgroup in none.into_iter().chain(rule.cgroups.iter().map(Some)) {
            if number >= RULES {
                return Err(KernelError::TooManyPatterns(RULES));
            }
            let bit = 1 << number;
            let pattern = cgroup.map(|text| pattern(text)).transpose()?;
            let depth = pattern.as_ref().map_or(top_level, |pattern| pattern.depth).min(u8::MAX.into()) as u8;
            match pattern.filter(|pattern| pattern.depth > 0) {
                None => tables.masks.any_cgroup |= bit,
                Some(pattern) => drop(tables.cgroups.insert(number as u32, pattern)),
            }
            tables.masks.rule[number] = abi::rule { per: per(rule.per), depth, scope: scope.0 as u16 };
            tables.masks.rules |= bit;
            number += 1;
        }
        tables.masks.ended &= !(1 << (scope.0 - abi::RULE_SCOPES));
        let bits = (1_u64 << number) - (1 << first);
        left_out.extend(rule.not.cgroups.iter().map(|text| (bits, text)));
        if !rule.not.cgroups.is_empty() {
            tables.masks.by_cgroup |= bits;
        }
        tables.add_conditions(bits, rule, &mut files);
    }
    for (bits, text) in left_out {
        if number >= RULES {
            return Err(KernelError::TooManyPatterns(RULES));
        }
        let pattern = pattern(text)?;
        if pattern.depth == 0 {
            return Err(KernelError::CgroupPattern(text.clone()));
        }
        tables.cgroups.insert(number as u32, abi::cgroup_pattern { leaves_out: bits, ..pattern });
        number += 1;
    }
    let masks = &mut tables.masks;
    masks.patterns = tables.cgroups.keys().fold(0, |patterns, number| patterns | 1 << number);
    masks.by_cgroup |= masks.rules & !masks.any_cgroup;
    (tables.masks.any_user, tables.masks.any_exe) = (tables.shared.any_user, tables.shared.any_exe);
    Ok(tables)
}

/// Writes the tables for the policy with this number, which must not be in force. Returns what belongs in the
/// policy. If a rule names no cgroup, its accounts under `per = "cgroup"` are those of the cgroups at depth
/// `top_level`.
pub(crate) fn write(
    maps: &HalfopenMaps<'_>,
    rules: &[ScopeRule],
    scopes: &[ScopeId],
    files: &[Option<Executable>],
    top_level: u32,
    policy: u32,
) -> Result<abi::rules, KernelError> {
    let tables = tables(rules, scopes, files, top_level)?;
    tables.shared.write(&maps.rule_users, &maps.rule_exes, policy)?;
    clear(&maps.rule_comms, |key: abi::comm_key| key.policy == policy)?;
    for (comm, rules) in &tables.comms {
        put(&maps.rule_comms, &abi::comm_key { policy, comm: abi::chars(comm) }, rules)?;
    }
    for (number, pattern) in &tables.cgroups {
        let key = policy * RULES as u32 + number;
        put(&maps.rule_cgroups, &key, pattern)?;
    }
    Ok(tables.masks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LeftOut;
    use halfopen_policy::Limits;

    fn rule(cgroups: &[&str], per: Per) -> ScopeRule {
        ScopeRule {
            name: "a".to_owned(),
            cgroups: cgroups.iter().map(ToString::to_string).collect(),
            users: Vec::new(),
            exes: Vec::new(),
            comms: Vec::new(),
            not: LeftOut::default(),
            per,
            limits: Limits::xp_sp2(),
        }
    }

    #[test]
    fn a_rule_s_bit_stands_where_its_conditions_are_met() {
        let rules = [
            ScopeRule { users: vec![7], ..rule(&["/a.slice/b*"], Per::Cgroup) },
            ScopeRule { comms: vec!["curl".to_owned()], ..rule(&[], Per::Cgroup) },
            rule(&["/"], Per::User),
        ];
        let tables = tables(&rules, &[66, 64, 65].map(ScopeId), &[], 1).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.any_exe), (0b111, 0b111));
        assert_eq!((tables.masks.any_user, tables.masks.any_comm, tables.masks.any_cgroup), (6, 5, 6));
        assert_eq!((tables.shared.users, tables.comms), ([(7, 1)].into(), [("curl".to_owned(), 2)].into()));
        assert_eq!(tables.masks.ended, ((1 << RULES) - 1) & !0b111);
        let of = |number: usize| {
            let rule = &tables.masks.rule[number];
            (rule.per, rule.depth, rule.scope)
        };
        assert_eq!([of(0), of(1), of(2)], [(1, 2, 66), (1, 1, 64), (2, 0, 65)]);
        let pattern = &tables.cgroups[&0];
        assert_eq!((pattern.depth, &pattern.start[..2]), (2, &[0, 8][..]));
    }

    #[test]
    fn each_pattern_of_a_rule_has_a_bit_and_all_have_its_scope() {
        let several = ScopeRule { users: vec![7], ..rule(&["/a/*/c", "/b", "/"], Per::Cgroup) };
        let rules = [several, rule(&["/z"], Per::Rule)];
        let tables = tables(&rules, &[64, 65].map(ScopeId), &[], 1).unwrap();
        let of = tables.masks.rule[..4].iter().map(|rule| (rule.per, rule.depth, rule.scope));
        assert_eq!(of.collect::<Vec<_>>(), [(1, 3, 64), (1, 1, 64), (1, 0, 64), (0, 1, 65)]);
        assert_eq!((tables.masks.rules, tables.masks.any_cgroup, tables.masks.any_user), (15, 4, 8));
        assert_eq!(tables.shared.users, [(7, 7)].into());
        assert_eq!(tables.cgroups.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    }

    #[test]
    fn what_a_rule_leaves_out_answers_the_other_way_round() {
        let not =
            LeftOut { cgroups: vec!["/a/x".into(), "/b".into()], users: vec![7], exes: vec!["/x".into()] };
        let file = |inode| Executable { inode, device: 1 };
        let rules = [
            ScopeRule { not: not.clone(), ..rule(&[], Per::Rule) },
            ScopeRule {
                users: vec![7, 8],
                exes: vec!["/x".into(), "/y".into()],
                not,
                ..rule(&["/a", "/c"], Per::Rule)
            },
        ];
        let files = [Some(file(1)), Some(file(1)), Some(file(2)), Some(file(1))];
        let tables = tables(&rules, &[64, 65].map(ScopeId), &files, 1).unwrap();
        assert_eq!((tables.masks.rules, tables.masks.patterns), (0b111, 0b111_1110));
        let masks = &tables.masks;
        assert_eq!([masks.any_cgroup, masks.any_user, masks.any_exe], [1; 3]);
        assert_eq!([masks.by_cgroup, masks.by_user, masks.by_exe], [7; 3]);
        assert_eq!(tables.shared.users, [(7, 1), (8, 6)].into());
        assert_eq!(tables.shared.exes, [(file(1), 1), (file(2), 6)].into());
        let leaves_out: Vec<u64> = tables.cgroups.values().map(|pattern| pattern.leaves_out).collect();
        assert_eq!(leaves_out, [0, 0, 1, 1, 6, 6]);
    }

    #[test]
    fn what_the_kernel_part_cannot_hold_is_refused() {
        let most = vec!["/a"; RULES];
        let of = |rules: &[ScopeRule]| tables(rules, &[64, 65].map(ScopeId), &[], 1).map(drop);
        assert!(of(&[rule(&most, Per::Rule)]).is_ok());
        let beyond = of(&[rule(&most, Per::Rule), rule(&[], Per::Rule)]);
        assert!(matches!(beyond, Err(KernelError::TooManyPatterns(RULES))));
        let long = format!("/{}", "x".repeat(LONGEST_PATTERN + 1));
        for wrong in ["", "a.slice", &long, &"/x".repeat(DEEPEST + 1)] {
            assert!(matches!(pattern(wrong), Err(KernelError::CgroupPattern(_))), "{wrong}");
        }
    }
}
