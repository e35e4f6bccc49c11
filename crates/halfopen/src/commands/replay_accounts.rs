//! To which account a policy's rules charge a program of a recording.
//!
//! A recording does not tell from which file a program ran: a rule that asks for one matches nothing.

use crate::config::pattern::CgroupPattern;
use halfopen_bpf::{LeftOut, Per, ScopeRule};
use halfopen_policy::Limits;
use halfopen_replay::trace::Program;

/// The name and the limits of the account; `None`: no rule matches.
pub fn account(rules: &[ScopeRule], program: &Program) -> Option<(String, Limits)> {
    rules.iter().find_map(|rule| {
        let depth = matched(rule, program)?;
        let whose = match rule.per {
            Per::Rule => String::new(),
            Per::Cgroup => format!("[{}]", cut(&program.cgroup, depth)),
            Per::User => format!("[user {}]", program.uid),
            Per::Process => format!("[{} in {}]", program.name, program.cgroup),
        };
        Some((format!("{}{whose}", rule.name), rule.limits))
    })
}

/// How deep the pattern is by which the rule matches the program; `None` if it does not match.
fn matched(rule: &ScopeRule, program: &Program) -> Option<usize> {
    let ScopeRule {
        cgroups, users, exes, comms, not: LeftOut { cgroups: not_in, users: not_of, .. }, ..
    } = rule;
    let one_of = |users: &[u32]| users.contains(&program.uid);
    let fits =
        |pattern: &String| CgroupPattern::read(pattern).is_ok_and(|pattern| pattern.fits(&program.cgroup));
    let meets = exes.is_empty()
        && (users.is_empty() || one_of(users))
        && (comms.is_empty() || comms.contains(&program.name))
        && !one_of(not_of)
        && !not_in.iter().any(fits);
    if !meets {
        return None;
    }
    if cgroups.is_empty() {
        return Some(1);
    }
    cgroups.iter().find(|pattern| fits(pattern)).map(|pattern| names(pattern).count())
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// The cgroup at this depth that `path` is in.
fn cut(path: &str, depth: usize) -> String {
    let names: Vec<&str> = names(path).take(depth).collect();
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Preset, Resolved};

    fn adaptive(cgroup: &str) -> Option<String> {
        let preset = Preset::named("adaptive").unwrap();
        let rules = Resolved::of_preset(preset).settings().scopes;
        let program = Program { name: "curl".into(), cgroup: cgroup.into(), ..Program::default() };
        account(&rules, &program).map(|(name, _)| name)
    }

    #[test]
    fn accounts_are_those_of_the_first_pattern_that_fits() {
        for (cgroup, account) in [
            ("/system.slice/shop.service", "adaptive[/system.slice/shop.service]"),
            ("/system.slice/shop.service/worker", "adaptive[/system.slice/shop.service]"),
            ("/user.slice/user-1000.slice/session-2.scope", "adaptive[/user.slice/user-1000.slice]"),
            (
                "/kubepods.slice/burstable.slice/pod1.slice/cri-2.scope",
                "adaptive[/kubepods.slice/burstable.slice/pod1.slice]",
            ),
            ("/init.scope", "adaptive[/init.scope]"),
            ("/", "adaptive[/]"),
        ] {
            assert_eq!(adaptive(cgroup).as_deref(), Some(account), "{cgroup}");
        }
    }

    #[test]
    fn a_rule_matches_only_what_meets_all_its_conditions() {
        let rule = ScopeRule {
            name: "torrent".into(),
            cgroups: vec!["/system.slice".into()],
            users: vec![1_000],
            exes: Vec::new(),
            comms: vec!["transmission".into()],
            not: LeftOut { cgroups: vec!["/system.slice/x*".into()], ..LeftOut::default() },
            per: Per::User,
            limits: Limits::xp_sp2(),
        };
        let program = |cgroup: &str, uid, name: &str| Program {
            name: name.into(),
            uid,
            cgroup: cgroup.into(),
            ..Program::default()
        };
        let of =
            |rule: &ScopeRule, program| account(std::slice::from_ref(rule), &program).map(|(name, _)| name);
        let whole = program("/system.slice/t.service", 1_000, "transmission");
        assert_eq!(of(&rule, whole.clone()).as_deref(), Some("torrent[user 1000]"));
        for other in [
            program("/user.slice/t.service", 1_000, "transmission"),
            program("/system.slice/x.service", 1_000, "transmission"),
            program("/system.slice/t.service", 1_001, "transmission"),
            program("/system.slice/t.service", 1_000, "curl"),
        ] {
            assert_eq!(of(&rule, other.clone()), None, "{other:?}");
        }
        let of_a_file = ScopeRule { exes: vec!["/usr/bin/transmission".into()], ..rule };
        assert_eq!(of(&of_a_file, whole), None);
    }
}
