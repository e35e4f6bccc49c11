//! Rules by comm, which may only tighten.
//!
//! A program chooses its own name, and so whether such a rule matches it. The first rule that matches counts, so by its
//! name a program could escape later rules that do not match by name themselves. A rule by comm may therefore not be
//! laxer, in any number, than a later rule that could match the same program, and it has one account for all. A program
//! that changes its name back and forth then gains only that account besides its own. If no other rule matches, only
//! the host's limits apply, and those apply in every rule.

use super::error::Wrong;
use super::laxer::laxer;
use super::place::Origin;
use super::rules::Rules;
use halfopen_bpf::Per;
use halfopen_policy::Limits;

pub(super) fn check_comm(rules: &Rules, host: &Limits) -> Result<(), (Wrong, Origin)> {
    for rule in rules.scopes() {
        let Some(who) = rule.who().filter(|who| !who.comms.is_empty()) else { continue };
        let refused = |wrong| Err((wrong, rule.origin().clone()));
        if rule.per() != Per::Rule {
            return refused(Wrong::CommPer(rule.name().clone()));
        }
        for later in rules.after(rule) {
            let otherwise = later.who().filter(|other| other.comms.is_empty());
            if otherwise.is_some_and(|other| who.may_share_with(other))
                && let Some(key) =
                    laxer(&rules.limits(rule, host), &rules.limits(later, host)).first().copied()
            {
                let (rule, than) = (rule.name().clone(), later.name().clone());
                return refused(Wrong::LaxComm { rule, key, than });
            }
        }
    }
    Ok(())
}
