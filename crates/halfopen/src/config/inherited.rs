//! What a rule inherits: a limit that it does not name is that of the rule which would have counted without it.
//!
//! Which one that is can depend on the program. A rule inherits only from a later rule that certainly matches all its
//! programs, and [`Rules::remarks`] says what it lets more out than any other rule that it comes before.

use super::key::{Key, Table};
use super::laxer::laxer;
use super::limits::{self, LIMITS, open, put_all};
use super::place::Origin;
use super::remark::RemarkKind;
use super::rule_keys::DENY;
use super::rules::{Rule, Rules};
use super::value::Value;
use super::who::Who;
use halfopen_bpf::Per;
use halfopen_policy::Limits;

impl Rules {
    /// The rules of `[[scope]]` that are tried after this one.
    pub(super) fn after(&self, rule: &Rule) -> impl Iterator<Item = &Rule> {
        self.scopes().skip_while(|other| other.name() != rule.name()).skip(1)
    }

    /// The rule that would have counted for all programs of this one.
    pub(super) fn base(&self, rule: &Rule) -> Option<&Rule> {
        let who = rule.who()?;
        self.after(rule).find(|later| later.who().is_some_and(|later| later.covers(who)))
    }

    /// The rule, and those that it inherits from.
    fn line<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'a Rule> {
        std::iter::successors(Some(rule), |rule| self.base(rule))
    }

    /// The value given to `key` in the rule, or else in the first of those that it inherits from.
    fn given<'a>(&'a self, rule: &'a Rule, key: &Key) -> Option<&'a (Value, Origin)> {
        self.line(rule).find_map(|rule| rule.said(key))
    }

    /// What the rule allows. A limit that neither it nor a rule that it inherits from names is none. How long an attempt
    /// keeps its slot, and what happens to one beyond the queue, then follows the host.
    #[must_use]
    pub fn limits(&self, rule: &Rule, host: &Limits) -> Limits {
        let Limits { slot_life, strict, overflow, .. } = *host;
        let mut limits = Limits { slot_life, strict, overflow, ..open() };
        let line: Vec<&Rule> = self.line(rule).collect();
        put_all(&mut limits, |key| line.iter().find_map(|rule| rule.said(key)).map(|(value, _)| value));
        limits
    }

    /// The value of `key` in force in the rule, and its origin.
    #[must_use]
    pub fn get<'a>(&'a self, rule: &'a Rule, key: &Key, host: &Limits) -> (Value, &'a Origin) {
        let given = if key.table == Table::Host { self.given(rule, key) } else { rule.said(key) };
        if let Some((value, origin)) = given {
            return (value.clone(), origin);
        }
        let of_deny = DENY.iter().find(|field| field.key == *key);
        let usual = match of_deny {
            Some(field) => Some((field.place.get)(&rule.deny())),
            None => limits::get(&self.limits(rule, host), key),
        };
        (usual.unwrap_or(Value::Unlimited), rule.origin())
    }

    /// What the rule inherits, what it loosens, and whose account it makes wider or narrower: a sentence each.
    pub(super) fn remarks(&self, rule: &Rule, host: &Limits) -> Vec<(RemarkKind, String)> {
        let Some(who) = rule.who() else { return Vec::new() };
        let base = self.base(rule);
        let mut remarks: Vec<_> =
            self.inherits(rule).map(|inherits| (RemarkKind::Inherits, inherits)).into_iter().collect();
        let limits = self.limits(rule, host);
        for later in self.after(rule) {
            if later.who().is_some_and(|later| who.may_share_with(later)) {
                let than = self.limits(later, host);
                let loosened: Vec<String> = laxer(&limits, &than)
                    .into_iter()
                    .filter_map(|name| LIMITS.iter().find(|field| field.key.name == name))
                    .map(|field| {
                        let [now, before] =
                            [&limits, &than].map(|limits| field.key.form.toml(&(field.place.get)(limits)));
                        format!("{name} = {now} instead of {before}", name = field.key.name)
                    })
                    .collect();
                if !loosened.is_empty() {
                    let whom =
                        if Some(later.name()) == base.map(Rule::name) { "" } else { " for those in both" };
                    let loosens = format!("loosens {}{whom}: {}", later.name(), loosened.join(", "));
                    remarks.push((RemarkKind::Loosens, loosens));
                }
            }
            if Some(later.name()) == base.map(Rule::name) {
                break;
            }
        }
        if let Some(base) = base.filter(|_| limits.first_contact.is_some()) {
            remarks.extend(self.accounts(rule, who, base));
        }
        remarks
    }

    /// What is inherited from where.
    fn inherits(&self, rule: &Rule) -> Option<String> {
        let mut from: Vec<(&Rule, Vec<String>)> = Vec::new();
        for base in self.line(rule).skip(1) {
            let own = LIMITS.iter().map(|field| &field.key).filter_map(|key| {
                let (value, _) = base.said(key)?;
                let is_its = std::ptr::eq(self.given(rule, key)?, base.said(key)?);
                is_its.then(|| format!("{} = {}", key.name, key.form.toml(value)))
            });
            from.push((base, own.collect()));
        }
        from.retain(|(_, keys)| !keys.is_empty());
        let from: Vec<String> =
            from.iter().map(|(base, keys)| format!("{} from {}", keys.join(", "), base.name())).collect();
        (!from.is_empty()).then(|| format!("inherits {}", from.join("; ")))
    }

    /// How its accounts differ from those of the rule that would have counted without it.
    fn accounts(&self, rule: &Rule, who: &Who, base: &Rule) -> Option<(RemarkKind, String)> {
        let (ours, theirs) = (self.whose_account(rule), self.whose_account(base));
        let base = base.name();
        if self.merges_accounts(rule) {
            let all = format!("tightens {base}: all programs of the rule share one account and its credit");
            if who.cgroups.is_empty() || !who.comms.is_empty() {
                return Some((RemarkKind::Accounts, all));
            }
            let more =
                "so one that scans makes the others wait for strangers: per = \"cgroup\" gives each its own";
            return Some((RemarkKind::SharedCredit, format!("{all}, {more}")));
        }
        match (ours.per, theirs.per) {
            (Per::Process, Per::Rule | Per::Cgroup | Per::User) => Some((
                RemarkKind::Loosens,
                format!(
                    "loosens {base}: a program that forks twice gets an account of its own, with fresh credit"
                ),
            )),
            (Per::Cgroup, Per::Cgroup)
                if rule.per() == Per::Cgroup && who.is_deeper_than(&theirs.cgroups) =>
            {
                Some((
                    RemarkKind::Loosens,
                    format!(
                        "loosens {base}: its cgroups are deeper, so whoever may create some there gets fresh credit"
                    ),
                ))
            }
            (per, _) if per != rule.per() => {
                Some((RemarkKind::Accounts, format!("has accounts as {base} has them")))
            }
            _ => None,
        }
    }
}
