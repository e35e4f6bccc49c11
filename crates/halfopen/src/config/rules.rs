//! The rules in force: the host's own, then the preset's. The first rule that matches an attempt counts.

use super::error::Wrong;
use super::key::{Key, Table};
use super::name::RuleName;
use super::place::Origin;
use super::rule_keys::{DENY, MATCH, PER, bare_deny};
use super::tables;
use super::value::{Typed, Value};
use super::values::{Values, line};
use super::who::Who;
use halfopen_bpf::{DenyRule, InterfaceRule, Per, Settings};
use halfopen_policy::Limits;

/// A rule, with the origin of each of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    name: RuleName,
    origin: Origin,
    /// Rules are sorted by this. A rule that replaces another keeps its place.
    rank: u8,
    values: Values,
}

/// All rules, each kind in the order in which its rules are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Adds a rule, or replaces the one of that name in its place.
    pub fn put(&mut self, name: &RuleName, making: &[(&'static Key, Value)], origin: &Origin) {
        let rank = match name {
            RuleName::Scope(_) if *origin == Origin::Preset => 1,
            RuleName::Scope(_) => 0,
            RuleName::Interface(_) => 2,
            RuleName::Deny(_) => 3,
        };
        let mut new = Rule { name: name.clone(), origin: origin.clone(), rank, values: Values::default() };
        for (key, value) in making {
            new.values.put(key, value.clone(), origin.clone());
        }
        match self.0.iter_mut().find(|rule| rule.name == *name) {
            Some(old) => *old = Rule { rank: old.rank, ..new },
            None => self.0.insert(self.0.partition_point(|rule| rule.rank <= rank), new),
        }
    }

    /// Puts a value into a rule. Adds the rule of an interface if there is none yet.
    ///
    /// # Errors
    /// [`Wrong::NoSuchRule`] for another rule that does not exist.
    pub fn put_value(
        &mut self,
        name: &RuleName,
        key: &'static Key,
        value: Value,
        origin: &Origin,
    ) -> Result<(), Wrong> {
        if self.find(name).is_none() {
            if name.table() != Table::Interface {
                return Err(Wrong::NoSuchRule(name.clone(), self.known(name)));
            }
            self.put(name, &[], origin);
        }
        if let Some(rule) = self.0.iter_mut().find(|rule| rule.name == *name) {
            rule.values.put(key, value, origin.clone());
        }
        Ok(())
    }

    /// The rules of one kind.
    pub fn of(&self, table: Table) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(move |rule| rule.name.table() == table)
    }

    /// The rules of `[[scope]]` in the order in which they are tried.
    pub fn scopes(&self) -> impl Iterator<Item = &Rule> {
        self.of(Table::Scope)
    }

    /// The rules of `[[interface]]`.
    pub fn interfaces(&self) -> impl Iterator<Item = &Rule> {
        self.of(Table::Interface)
    }

    /// The rules of `[[deny]]` in the form for the kernel part.
    #[must_use]
    pub fn deny(&self) -> Vec<DenyRule> {
        self.of(Table::Deny).map(Rule::deny).collect()
    }

    /// The rule of that name.
    #[must_use]
    pub fn find(&self, name: &RuleName) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.name == *name)
    }

    /// The hint for a user who named a rule that does not exist.
    #[must_use]
    pub fn known(&self, like: &RuleName) -> String {
        let names: Vec<&str> = self.of(like.table()).map(|rule| rule.name.leaf()).collect();
        match names.as_slice() {
            _ if *like == RuleName::accounts() => {
                "the preset adaptive has it, and gives accounts; no other preset does".to_owned()
            }
            [] => format!("there is no {} in force", like.table().written()),
            names => format!("the rules in force are {}", names.join(", ")),
        }
    }

    /// Puts the rules into `settings`. Leaves out a rule for a user that this host lacks, which matches nobody.
    pub fn apply(&self, settings: &mut Settings) {
        let host = settings.host;
        settings.scopes = self.scopes().filter_map(|rule| self.scope(rule, &host)).collect();
        let interface = |rule: &Rule| InterfaceRule {
            name: rule.name.leaf().to_owned(),
            limits: self.limits(rule, &host),
        };
        settings.interfaces = self.interfaces().map(interface).collect();
        settings.deny = self.deny();
    }

    /// Why rules match nobody.
    pub fn unmet(&self) -> impl Iterator<Item = String> {
        self.scopes().filter_map(|rule| Some(format!("{}: {}", rule.name, rule.who()?.unmet()?)))
    }

    /// The limits of an account of a program in the cgroup at `path`, by the first rule for that whole cgroup.
    #[must_use]
    pub fn limits_in(&self, path: &str, host: &Limits) -> Option<Limits> {
        let rule = self.scopes().find(|rule| rule.who().is_some_and(|who| who.is_all_of(path)));
        Some(self.limits(rule?, host))
    }

    /// Each rule with all its values, for a hash. The text is that of earlier versions: equal rules have equal hashes
    /// across an upgrade.
    pub fn in_full(&self, host: &Limits) -> impl Iterator<Item = String> {
        self.0.iter().map(|rule| {
            let is_deny = rule.name.table() == Table::Deny;
            let value = |key: &'static Key| match key.form.toml(&self.get(rule, key, host).0) {
                _ if key == PER => format!(" {:?}", rule.per()),
                value if key.makes_rule() => format!(" {value}"),
                value if is_deny || rule.said(key).is_some() => format!(" {} = {value}", key.name),
                _ => String::new(),
            };
            let keys = tables::keys(rule.name.table()).into_iter();
            format!("{}{}\n", rule.name, keys.map(value).collect::<String>())
        })
    }

    /// Each value that is given to a rule, with its key and origin.
    pub fn all_said(&self) -> impl Iterator<Item = (&RuleName, (&'static Key, &Value, &Origin))> {
        self.0.iter().flat_map(|rule| {
            let given = rule.values.of(tables::keys(rule.name.table()));
            given.map(|given| (&rule.name, given))
        })
    }

    /// The rules as a file, each line with its origin, and with what each inherits and loosens as comments.
    #[must_use]
    pub fn to_toml(&self, host: &Limits) -> String {
        let mut text = String::new();
        for rule in &self.0 {
            let table = rule.name.table();
            let name = toml_edit::Value::from(rule.name.leaf());
            line(&mut text, &format!("\n{}\nname = {name}", table.written()), &rule.origin);
            for (key, value, origin) in rule.values.of(tables::keys(table)) {
                line(&mut text, &format!("{} = {}", key.name, key.form.toml(value)), origin);
            }
            for (_, remark) in self.remarks(rule, host) {
                text.extend(["# ", &remark, "\n"]);
            }
        }
        text
    }
}

impl Rule {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &RuleName {
        &self.name
    }

    /// The programs that it is for; `None` for a rule of another kind than `[[scope]]`.
    #[must_use]
    pub fn who(&self) -> Option<&Who> {
        if let Some((Value::Match(who), _)) = self.values.get(MATCH) { Some(who) } else { None }
    }

    /// Which of these share an account.
    #[must_use]
    pub fn per(&self) -> Per {
        self.values.get(PER).and_then(|(per, _)| Per::of(per)).unwrap_or_default()
    }

    /// The origin of the rule itself.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value that a file, a preset or a command gives to `key`, and its origin.
    #[must_use]
    pub fn said(&self, key: &Key) -> Option<&(Value, Origin)> {
        self.values.get(key)
    }

    pub(super) fn deny(&self) -> DenyRule {
        let mut rule = bare_deny(self.name.leaf());
        self.values.apply(DENY, &mut rule);
        rule
    }
}
