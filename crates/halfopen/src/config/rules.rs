//! The rules in force: the host's own, then the preset's. The first rule that matches an attempt counts.

use super::error::Wrong;
use super::key::LimitKey;
use super::limit::{Limit, QUEUE_UNLIMITED};
use super::name::RuleName;
use super::place::Origin;
use super::rule::per_name;
use super::who::Who;
use halfopen_bpf::{InterfaceRule, Per, ScopeRule, Settings};
use halfopen_policy::{FirstContact, Limits};
use std::collections::BTreeMap;
use std::fmt::Write;

/// `RULES` and `INTERFACES` of the kernel part's table; each pattern of a rule's list takes the room of one.
const MOST_SCOPES: usize = 48;
const MOST_INTERFACES: usize = 16;

/// A rule, with the origin of each of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    name: RuleName,
    origin: Origin,
    whose: Option<(Who, Per)>,
    limits: BTreeMap<LimitKey, (Limit, Origin)>,
}

/// All rules of `[[scope]]` and `[[interface]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    own: Vec<Rule>,
    of_preset: Vec<Rule>,
    interfaces: Vec<Rule>,
}

impl Rules {
    /// Adds a `[[scope]]`, or replaces the one of that name in its place.
    pub fn put_scope(&mut self, name: &str, who: Who, per: Per, origin: Origin) {
        let rule = RuleName::Scope(name.to_owned());
        let new = Rule { name: rule, origin, whose: Some((who, per)), limits: BTreeMap::new() };
        match self.find_mut(&new.name) {
            Some(old) => *old = new,
            None if new.origin == Origin::Preset => self.of_preset.push(new),
            None => self.own.push(new),
        }
    }

    /// Puts a limit into a rule. Adds the rule of an interface if there is none yet.
    ///
    /// # Errors
    /// [`Wrong::NoSuchRule`] for a scope that does not exist.
    pub fn put_limit(&mut self, rule: &RuleName, limit: Limit, origin: Origin) -> Result<(), Wrong> {
        if self.find(rule).is_none() {
            match rule {
                RuleName::Scope(_) | RuleName::Deny(_) => {
                    return Err(Wrong::NoSuchRule { rule: rule.clone(), known: self.known(rule) });
                }
                RuleName::Interface(_) => {
                    let (name, origin) = (rule.clone(), origin.clone());
                    self.interfaces.push(Rule { name, origin, whose: None, limits: BTreeMap::new() });
                }
            }
        }
        if let Some(rule) = self.find_mut(rule) {
            rule.limits.insert(limit.key(), (limit, origin));
        }
        Ok(())
    }

    /// The rules of `[[scope]]` in the order in which they are tried.
    pub fn scopes(&self) -> impl Iterator<Item = &Rule> {
        self.own.iter().chain(&self.of_preset)
    }

    /// The rules of `[[interface]]`.
    pub fn interfaces(&self) -> impl Iterator<Item = &Rule> {
        self.interfaces.iter()
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.scopes().chain(&self.interfaces)
    }

    /// The rule of that name.
    #[must_use]
    pub fn find(&self, name: &RuleName) -> Option<&Rule> {
        self.all().find(|rule| rule.name == *name)
    }

    fn find_mut(&mut self, name: &RuleName) -> Option<&mut Rule> {
        let all = self.own.iter_mut().chain(&mut self.of_preset).chain(&mut self.interfaces);
        all.into_iter().find(|rule| rule.name == *name)
    }

    /// The hint for a user who named a rule that does not exist.
    #[must_use]
    pub fn known(&self, like: &RuleName) -> String {
        let alike = self.all().filter(|rule| rule.name.table() == like.table());
        let names: Vec<&str> = alike.map(|rule| rule.name.leaf()).collect();
        match names.as_slice() {
            [] => format!("there is no [[{}]] in force", like.table()),
            names => format!("the rules in force are {}", names.join(", ")),
        }
    }

    /// Checks the rules together.
    ///
    /// # Errors
    /// The first mistake, and the origin of the rule that it concerns.
    pub fn check(&self, host: &Limits) -> Result<(), (Wrong, Origin)> {
        let mut taken = 0;
        let mut is_beyond = |rule: &&Rule| {
            taken += rule.whose.as_ref().map_or(0, |(who, _)| who.cgroups().len()).max(1);
            taken > MOST_SCOPES
        };
        if let Some(rule) = self.scopes().find(|rule| is_beyond(rule)) {
            let (rule, origin) = (rule.name.clone(), rule.origin.clone());
            return Err((Wrong::TooManyPatterns { rule, most: MOST_SCOPES }, origin));
        }
        if let Some(rule) = self.interfaces.get(MOST_INTERFACES) {
            let too_many = Wrong::TooMany { rule: rule.name.clone(), most: MOST_INTERFACES };
            return Err((too_many, rule.origin.clone()));
        }
        for rule in &self.interfaces {
            if self.scopes().any(|scope| scope.name.leaf() == rule.name.leaf()) {
                return Err((Wrong::Shared(rule.name.leaf().to_owned()), rule.origin.clone()));
            }
        }
        if let Some(rule) = self.interfaces.iter().find(|rule| rule.limits(host).datagrams.is_some()) {
            return Err((Wrong::UdpByInterface(rule.name.to_string()), rule.origin.clone()));
        }
        for rule in self.all() {
            if rule.limits(host).first_contact.is_some_and(|first| !first.is_a_test()) {
                return Err((Wrong::NoTest(rule.name.to_string()), rule.origin.clone()));
            }
        }
        Ok(())
    }

    /// Puts the rules into `settings`. Leaves out a rule for a user that this host lacks, which matches nobody.
    pub fn apply(&self, settings: &mut Settings) {
        let host = settings.host;
        settings.scopes = self.scopes().filter_map(|rule| rule.scope(&host)).collect();
        let interface =
            |rule: &Rule| InterfaceRule { name: rule.name.leaf().to_owned(), limits: rule.limits(&host) };
        settings.interfaces = self.interfaces.iter().map(interface).collect();
    }

    /// Why rules match nobody.
    pub fn unmet(&self) -> impl Iterator<Item = String> {
        self.scopes().filter_map(|rule| {
            let (who, _) = rule.whose.as_ref()?;
            Some(format!("{}: {}", rule.name, who.unmet()?))
        })
    }

    /// What first contacts cost a program in the cgroup at `path`, by the first rule for that whole cgroup.
    #[must_use]
    pub fn first_contact_in(&self, path: &str, host: &Limits) -> Option<FirstContact> {
        let rule = self.scopes().find(|rule| rule.whose.as_ref().is_some_and(|(who, _)| who.is_all_of(path)));
        rule?.limits(host).first_contact
    }

    /// Each rule with all its values, for a hash.
    pub fn in_full(&self) -> impl Iterator<Item = String> {
        self.all().map(|rule| {
            let limits =
                rule.limits.values().map(|(limit, _)| format!(" {} = {}", limit.key().name(), limit.value()));
            let whose = rule.whose.as_ref().map(|(who, per)| format!(" {} {:?}", who.value(), per));
            format!("{}{}{}\n", rule.name, whose.unwrap_or_default(), limits.collect::<String>())
        })
    }

    /// The rules as a file, each line with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for rule in self.all() {
            let mut line = |key: &str, value: &toml_edit::Value, origin: &Origin| {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{:<40} # {origin}", format!("{key} = {value}"));
            };
            line(&format!("\n[[{}]]\nname", rule.name.table()), &rule.name.leaf().into(), &rule.origin);
            if let Some((who, per)) = &rule.whose {
                line("match", &who.value(), &rule.origin);
                if let Some(per) = per_name(*per) {
                    line("per", &per.into(), &rule.origin);
                }
            }
            for (key, (limit, origin)) in &rule.limits {
                line(key.name(), &limit.value(), origin);
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

    /// Whom it applies to, and which of them share an account; `None` for an interface.
    #[must_use]
    pub fn whose(&self) -> Option<(&Who, Per)> {
        self.whose.as_ref().map(|(who, per)| (who, *per))
    }

    /// The origin of the rule itself.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value of `key` in force, and its origin.
    #[must_use]
    pub fn get(&self, key: LimitKey, host: &Limits) -> (Limit, &Origin) {
        let origin = self.limits.get(&key).map_or(&self.origin, |(_, origin)| origin);
        let said = self.limits.get(&key).map(|(limit, _)| limit.clone());
        (said.unwrap_or_else(|| Limit::of(&self.limits(host), key)), origin)
    }

    /// What it allows. A number that it does not name is no limit. How long an attempt keeps its slot, and what happens
    /// to one beyond the queue, then follows the host.
    #[must_use]
    pub fn limits(&self, host: &Limits) -> Limits {
        let mut limits = Limits {
            half_open: None,
            drain: None,
            queue: QUEUE_UNLIMITED,
            max_wait: None,
            first_contact: None,
            datagrams: None,
            ..*host
        };
        // In the order of their keys.
        self.limits.values().for_each(|(limit, _)| limit.apply(&mut limits));
        limits
    }

    fn scope(&self, host: &Limits) -> Option<ScopeRule> {
        let (who, per) = self.whose.as_ref()?;
        Some(ScopeRule {
            name: self.name.leaf().to_owned(),
            cgroups: who.cgroups().iter().map(ToString::to_string).collect(),
            user: who.user().ok()?,
            exe: who.exe().cloned(),
            comm: who.comm().map(ToOwned::to_owned),
            per: *per,
            limits: self.limits(host),
        })
    }
}
