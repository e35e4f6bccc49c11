//! `never_hold`: programs that are never held. A rule matches by what a program cannot choose for itself: its cgroup,
//! its user, the file that it runs.

use super::accounts::Accounts;
use super::never_hold_shipped::SHIPPED;
use super::who::{For, Who};
use super::written::{Written, WrongValue};
use halfopen_bpf::NeverHold;
use toml::de::DeValue;
use toml_edit::{Array, Value};

/// How many rules the kernel part has room for.
const MOST: usize = 64;
/// The word for the list of this version.
const WORD: &str = "shipped";
const ROOT: u32 = 0;

/// The value of `never_hold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverHoldList(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Shipped(Vec<Who>),
    Rule(Who),
}

impl Default for NeverHoldList {
    /// The list that the package ships.
    fn default() -> Self {
        Self(vec![Entry::shipped(&Accounts::known())])
    }
}

impl NeverHoldList {
    /// Reads the value of the key called `key`, which takes what `accepted` says.
    pub(super) fn read(key: &str, accepted: &str, written: &Written<'_, '_>) -> Result<Self, WrongValue> {
        let list = written.value.as_array().ok_or_else(|| written.wrong(key, accepted))?;
        let accounts = Accounts::known();
        let (mut entries, mut rules) = (Vec::new(), 0);
        for item in list.iter().map(Written::at) {
            let entry = match item.value {
                DeValue::Table(_) => Entry::Rule(Who::read(key, &item, For::NeverHold)?),
                DeValue::String(word) if word == WORD => Entry::shipped(&accounts),
                _ => return Err(item.wrong(key, accepted)),
            };
            rules += entry.rules().len();
            if rules > MOST {
                let accepted = format!(
                    "expected at most {MOST} rules: merge some, for example by naming a parent cgroup"
                );
                return Err(item.wrong(key, &accepted));
            }
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    pub(super) fn toml(&self) -> Value {
        let entries = self.0.iter().map(|entry| match entry {
            Entry::Shipped(_) => WORD.into(),
            Entry::Rule(rule) => Value::InlineTable(rule.table()),
        });
        Value::Array(entries.collect::<Array>())
    }

    /// As [`NeverHoldList::toml`], with the shipped list written out, so that it does not depend on the version.
    pub(super) fn in_full(&self) -> Value {
        let tables = self.rules().map(|rule| Value::InlineTable(rule.table()));
        Value::Array(tables.collect::<Array>())
    }

    /// The rules in the form for the kernel part. Leaves out a rule for a user that this host lacks, which matches
    /// nobody.
    pub(super) fn for_kernel(&self) -> Vec<NeverHold> {
        let of = |rule: &Who| {
            // A user who may run a file can make it load code of their own.
            let exe = rule.exes.first().cloned();
            let user = rule.user_numbers()?.first().copied().or(exe.as_ref().map(|_| ROOT));
            let cgroup = rule.cgroups.first().map(ToString::to_string);
            Some(NeverHold { cgroup, user, exe })
        };
        self.rules().filter_map(of).collect()
    }

    /// Why rules of this host's own match nobody. Shipped rules are left out: most of them do not apply to a given
    /// host.
    #[must_use]
    pub fn unmet(&self) -> Vec<String> {
        self.own().filter_map(Who::unmet).collect()
    }

    /// The rules of this host's own.
    pub(super) fn own(&self) -> impl Iterator<Item = &Who> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Rule(rule) => Some(rule),
            Entry::Shipped(_) => None,
        })
    }

    /// The lines of a file that say the same, from `[` to `]`, with a remark on each rule that matches nobody on this
    /// host.
    pub(super) fn lines(&self) -> Vec<String> {
        let remark = |rule: &Who| rule.unmet().map(|unmet| format!(" matches nobody here: {unmet}"));
        let mut lines = vec!["[".to_owned()];
        for entry in &self.0 {
            match entry {
                Entry::Shipped(rules) => {
                    lines.push(format!("    \"{WORD}\", # stands for these:"));
                    let line =
                        |rule| format!("    #   {}{}", Who::table(rule), remark(rule).unwrap_or_default());
                    lines.extend(rules.iter().map(line));
                }
                Entry::Rule(rule) => {
                    let remark = remark(rule).map_or_else(String::new, |remark| format!(" #{remark}"));
                    lines.push(format!("    {},{remark}", rule.table()));
                }
            }
        }
        lines.push("]".to_owned());
        lines
    }

    fn rules(&self) -> impl Iterator<Item = &Who> {
        self.0.iter().flat_map(Entry::rules)
    }
}

impl Entry {
    fn shipped(accounts: &Accounts) -> Self {
        Self::Shipped(SHIPPED.iter().map(|shipped| shipped.rule(accounts)).collect())
    }

    fn rules(&self) -> &[Who] {
        match self {
            Self::Shipped(rules) => rules,
            Self::Rule(rule) => std::slice::from_ref(rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn read(text: &str) -> Result<NeverHoldList, WrongValue> {
        NeverHoldList::read("never_hold", "", &Written::at(&DeValue::parse(text).unwrap()))
    }

    #[test]
    fn an_exe_without_a_user_is_root_s_and_an_unknown_user_meets_nobody() {
        let list = read(
            "[{ exe = '/x' }, { exe = '/x', user = 7 }, { user = '8', cgroup = '/a/b/' }, { user = 'no such user' }]",
        );
        let rule = |user, exe: Option<&str>, cgroup: Option<&str>| NeverHold {
            user,
            exe: exe.map(PathBuf::from),
            cgroup: cgroup.map(ToOwned::to_owned),
        };
        let expected = [
            rule(Some(0), Some("/x"), None),
            rule(Some(7), Some("/x"), None),
            rule(Some(8), None, Some("/a/b")),
        ];
        assert_eq!(list.unwrap().for_kernel(), expected);
    }

    #[test]
    fn the_shipped_list_is_what_the_key_itself_takes() {
        let shipped = NeverHoldList::default();
        let again = read(&shipped.in_full().to_string()).unwrap();
        assert_eq!(again.in_full().to_string(), shipped.in_full().to_string());
        assert_eq!(again.for_kernel(), shipped.for_kernel());
        assert!(SHIPPED.iter().all(|shipped| !shipped.reason.is_empty()));
        assert!(SHIPPED.len() <= MOST / 2, "there must be room for the host's own");
    }
}
