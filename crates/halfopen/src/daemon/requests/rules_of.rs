//! The settings that apply to an account.

use super::named_account::KnownScope;
use crate::config::limits::{self, DRAIN, FIRST_CONTACTS, HALF_OPEN, QUEUE};
use crate::config::{Key, Name, RuleName, Table, general, tables};
use crate::control::{RuleInspection, ScopeKind};
use crate::daemon::enforcement::Enforcement;

/// What is told of the host, and of every scope although its rule may not name it.
const TOLD: [&Key; 4] = [HALF_OPEN, DRAIN, QUEUE, FIRST_CONTACTS];

impl Enforcement {
    /// Those of its own scope first, then the host's and the rules that apply to everybody.
    pub(super) fn rules_of(&self, scope: &KnownScope) -> Vec<RuleInspection> {
        let mut told = Vec::new();
        let own = match scope.kind {
            ScopeKind::Interface => Some(RuleName::Interface(scope.name.clone())),
            ScopeKind::Rule | ScopeKind::Account => Some(RuleName::Scope(scope.name.clone())),
            ScopeKind::Host | ScopeKind::Exec => None,
        };
        if scope.kind == ScopeKind::Exec {
            told.extend(TOLD.map(|key| RuleInspection {
                rule: RuleName::Scope(scope.name.clone()).to_string(),
                key: key.name.to_owned(),
                value: limits::shown(&scope.limits, key),
                origin: "halfopen exec".to_owned(),
            }));
        }
        if let Some(name) = own {
            let rule = self.resolved.rules().find(&name);
            let said =
                |key: &&'static Key| TOLD.contains(key) || rule.is_some_and(|rule| rule.said(key).is_some());
            let keys = tables::keys(name.table()).into_iter().filter(said);
            told.extend(keys.filter_map(|key| self.rule(Some(&name), key)));
        }
        told.extend(TOLD.iter().filter_map(|key| self.rule(None, key)));
        let of_all = [general::EXEMPT, general::NEVER_HOLD];
        told.extend(of_all.iter().filter_map(|key| self.rule(None, key)));
        for deny in self.resolved.rules().of(Table::Deny) {
            let keys = tables::keys(Table::Deny).into_iter().filter(|key| deny.said(key).is_some());
            told.extend(keys.filter_map(|key| self.rule(Some(deny.name()), key)));
        }
        told
    }

    fn rule(&self, rule: Option<&RuleName>, key: &'static Key) -> Option<RuleInspection> {
        let (value, origin) = self.resolved.shown(&Name::of(rule.cloned(), key))?;
        let table = || if key.table == Table::Top { key.name } else { key.table.name() }.to_owned();
        let rule = rule.map_or_else(table, ToString::to_string);
        Some(RuleInspection { rule, key: key.name.to_owned(), value, origin: origin.to_string() })
    }
}
