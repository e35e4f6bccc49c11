//! Whose account an attempt is charged to: that of the rule's own `per`, or without it that of the rule inherited from.
//!
//! A rule without `per` that names an amount, such as `half_open = 20`, means it for all its programs together, so they
//! share one account. One that names none keeps the accounts that its programs would have had without it: if it says
//! `on_suspect = "block"`, a scanner must not block its neighbours.

use super::limits::LIMITS;
use super::pattern::CgroupPattern;
use super::rules::{Rule, Rules};
use super::value::Value;
use super::who::Who;
use halfopen_bpf::{LeftOut, Per, ScopeRule};
use halfopen_policy::Limits;

/// Who shares an account of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WhoseAccount {
    pub per: Per,
    /// The rule's patterns. Under [`Per::Cgroup`], their depth is that of the cgroups with an account each.
    pub cgroups: Vec<CgroupPattern>,
}

impl Rules {
    pub(super) fn whose_account(&self, rule: &Rule) -> WhoseAccount {
        let cgroups = rule.who().map_or_else(Vec::new, |who| who.cgroups.clone());
        self.inherited_accounts(rule).unwrap_or(WhoseAccount { per: rule.per(), cgroups })
    }

    /// The rule in the form for the kernel part; `None` for one that matches nobody.
    pub(super) fn scope(&self, rule: &Rule, host: &Limits) -> Option<ScopeRule> {
        let who = rule.who().filter(|who| !who.lacks_containers())?;
        let WhoseAccount { per, cgroups } = self.whose_account(rule);
        Some(ScopeRule {
            name: rule.name().leaf().to_owned(),
            cgroups: cgroups.iter().map(ToString::to_string).collect(),
            users: who.user_numbers()?,
            exes: who.exes.clone(),
            comms: who.comms.clone(),
            not: who.not.as_deref().map(left_out).unwrap_or_default(),
            per,
            limits: self.limits(rule, host),
        })
    }

    /// How many patterns it takes room for.
    pub(super) fn room(&self, rule: &Rule) -> usize {
        let not = rule.who().and_then(|who| who.not.as_deref());
        self.whose_account(rule).cgroups.len().max(1) + not.map_or(0, |not| not.cgroups.len())
    }

    /// `None`: the rule's own.
    fn inherited_accounts(&self, rule: &Rule) -> Option<WhoseAccount> {
        // By changing its name a program would get into an account of its own once more.
        let who = rule.who().filter(|who| who.comms.is_empty())?;
        if rule.per() != Per::Rule || names_an_amount(rule) {
            return None;
        }
        let WhoseAccount { per, cgroups } = self.whose_account(self.base(rule)?);
        let cgroups = if per == Per::Cgroup { within(who, &cgroups)? } else { who.cgroups.clone() };
        Some(WhoseAccount { per, cgroups })
    }

    /// Whether its programs share an account, and its credit, that they would not share without the rule.
    pub(super) fn merges_accounts(&self, rule: &Rule) -> bool {
        let Some((who, base)) = rule.who().zip(self.base(rule)) else { return false };
        let theirs = self.whose_account(base);
        self.whose_account(rule).per == Per::Rule
            && theirs.per != Per::Rule
            && !(theirs.per == Per::Cgroup && who.is_in_one_of(&theirs.cgroups))
            && !(theirs.per == Per::User && who.users.len() == 1)
    }
}

fn left_out(not: &Who) -> LeftOut {
    LeftOut {
        cgroups: not.cgroups.iter().map(ToString::to_string).collect(),
        users: not.user_numbers().unwrap_or_default(),
        exes: not.exes.clone(),
    }
}

fn names_an_amount(rule: &Rule) -> bool {
    LIMITS
        .iter()
        .filter_map(|field| rule.said(&field.key))
        .any(|(value, _)| matches!(value, Value::Number(_) | Value::Rate(_) | Value::Quota(_)))
}

/// Patterns for the programs of `who`, each as deep as that of `accounts` which would match them; `None` if patterns
/// cannot say that.
fn within(who: &Who, accounts: &[CgroupPattern]) -> Option<Vec<CgroupPattern>> {
    if who.cgroups.is_empty() {
        return Some(accounts.to_vec());
    }
    let mut found: Vec<CgroupPattern> = Vec::new();
    for account in accounts {
        for ours in who.cgroups.iter().filter(|ours| ours.may_meet(account)) {
            let both = ours.and(account)?;
            if found.iter().any(|earlier| earlier.covers(&both)) {
                continue;
            }
            // Whoever may make cgroups there would get an account for each.
            if both.is_open_below(account.depth()) {
                return None;
            }
            found.push(both);
        }
    }
    Some(found)
}
