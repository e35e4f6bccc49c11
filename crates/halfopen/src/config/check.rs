//! Checks the rules together.

use super::comm::check_comm;
use super::error::Wrong;
use super::key::Table;
use super::place::Origin;
use super::rules::{Rule, Rules};
use halfopen_policy::Limits;

/// `RULES` and `INTERFACES` of the kernel part's table; each pattern of a rule's list takes the room of one.
const MOST_SCOPES: usize = 48;
const MOST_INTERFACES: usize = 16;
/// `DENY_RULES` of the kernel part, and its `DENY_PREFIXES` without the one that it needs itself.
const MOST_DENY: usize = 64;
const MOST_PREFIXES: usize = 4095;

/// The first mistake, and the origin of the rule that it concerns.
pub(super) fn check(rules: &Rules, host: &Limits) -> Result<(), (Wrong, Origin)> {
    let refused = |rule: &Rule, wrong| Err((wrong, rule.origin().clone()));
    let beyond = |table, most, room: &dyn Fn(&Rule) -> usize| {
        let mut taken = 0;
        rules.of(table).find(|rule| {
            taken += room(rule);
            taken > most
        })
    };
    if let Some(rule) = beyond(Table::Scope, MOST_SCOPES, &|rule| rules.room(rule)) {
        return refused(rule, Wrong::TooManyPatterns(rule.name().clone(), MOST_SCOPES));
    }
    for (table, most) in [(Table::Interface, MOST_INTERFACES), (Table::Deny, MOST_DENY)] {
        if let Some(rule) = beyond(table, most, &|_| 1) {
            return refused(rule, Wrong::TooMany(rule.name().clone(), most));
        }
    }
    let prefixes = |rule: &Rule| {
        let deny = rule.deny();
        deny.to.len() + deny.except.len()
    };
    if let Some(rule) = beyond(Table::Deny, MOST_PREFIXES, &prefixes) {
        return refused(rule, Wrong::TooManyPrefixes(rule.name().clone(), MOST_PREFIXES));
    }
    for rule in rules.interfaces() {
        if rules.scopes().any(|scope| scope.name().leaf() == rule.name().leaf()) {
            return refused(rule, Wrong::Shared(rule.name().leaf().to_owned()));
        }
        if rules.limits(rule, host).datagrams.is_some() {
            return refused(rule, Wrong::UdpByInterface(rule.name().to_string()));
        }
    }
    for rule in rules.scopes().chain(rules.interfaces()) {
        if rules.limits(rule, host).first_contact.is_some_and(|first| !first.is_a_test()) {
            return refused(rule, Wrong::NoTest(rule.name().to_string()));
        }
    }
    check_comm(rules, host)
}
