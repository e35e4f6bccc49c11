//! `never_hold`: programs that are never held. A rule matches by what a program cannot choose for itself: its cgroup,
//! its user, the file that it runs.

use super::accounts::Accounts;
use super::key::{did_you_mean, nearest};
use super::never_hold_shipped::{SHIPPED, Shipped};
use super::user::User;
use super::value::{WrongValue, written};
use halfopen_bpf::NeverHold;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};
use toml_edit::{Array, InlineTable, Value};

/// How many rules the kernel part has room for.
const MOST: usize = 64;
/// Names in a cgroup's path, and bytes in each, that the kernel part compares.
const DEEPEST: usize = 12;
const LONGEST_NAME: usize = 58;
/// The word for the list of this version.
const WORD: &str = "shipped";
const KEYS: [&str; 4] = ["cgroup", "user", "exe", "reason"];
const ROOT: u32 = 0;

/// The value of `never_hold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverHoldList(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Shipped(Vec<Rule>),
    Rule(Rule),
}

/// A program that meets all given conditions is never held. At least one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    cgroup: Option<String>,
    user: Option<User>,
    exe: Option<PathBuf>,
    reason: Option<String>,
}

impl Default for NeverHoldList {
    /// The list that the package ships.
    fn default() -> Self {
        Self(vec![Entry::shipped(&Accounts::known())])
    }
}

impl NeverHoldList {
    pub(super) fn read(value: &DeValue<'_>, span: Range<usize>) -> Result<Self, WrongValue> {
        const EXPECTED: &str =
            "expected a list of tables, such as [\"shipped\", { cgroup = \"/system.slice/x.service\" }]";
        let DeValue::Array(list) = value else { return Err(wrong("", value, span, EXPECTED)) };
        let accounts = Accounts::known();
        let mut entries = Vec::new();
        let mut rules = 0;
        for item in list {
            let entry = match item.get_ref() {
                DeValue::Table(table) => Entry::Rule(Rule::read(table, item.span(), &accounts)?),
                DeValue::String(word) if word == WORD => Entry::shipped(&accounts),
                other => return Err(wrong("", other, item.span(), EXPECTED)),
            };
            rules += entry.rules().len();
            if rules > MOST {
                let accepted = format!(
                    "expected at most {MOST} rules: merge some, for example by naming a parent cgroup"
                );
                return Err(wrong("", item.get_ref(), item.span(), &accepted));
            }
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    pub(super) fn value(&self) -> Value {
        let entries = self.0.iter().map(|entry| match entry {
            Entry::Shipped(_) => WORD.into(),
            Entry::Rule(rule) => Value::InlineTable(rule.table()),
        });
        Value::Array(entries.collect::<Array>())
    }

    /// As [`NeverHoldList::value`], with the shipped list written out.
    pub(super) fn in_full(&self) -> Value {
        let tables = self.rules().map(|rule| Value::InlineTable(rule.table()));
        Value::Array(tables.collect::<Array>())
    }

    /// The rules in the form for the kernel part. Leaves out a rule for a user that this host lacks, which matches
    /// nobody.
    pub(super) fn apply(&self) -> Vec<NeverHold> {
        self.rules().filter_map(Rule::apply).collect()
    }

    /// Why rules of this host's own match nobody. Shipped rules are left out: most of them do not apply to a given
    /// host.
    #[must_use]
    pub fn unmet(&self) -> Vec<String> {
        let own = self.0.iter().filter_map(|entry| match entry {
            Entry::Rule(rule) => rule.unmet(),
            Entry::Shipped(_) => None,
        });
        own.collect()
    }

    /// The lines of a file that say the same, from `[` to `]`, with a remark on each rule that matches nobody on this
    /// host.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec!["[".to_owned()];
        for entry in &self.0 {
            match entry {
                Entry::Shipped(rules) => {
                    lines.push(format!("    \"{WORD}\", # stands for these:"));
                    lines.extend(
                        rules.iter().map(|rule| format!("    #   {}{}", rule.table(), rule.remark())),
                    );
                }
                Entry::Rule(rule) => {
                    let remark = rule.remark();
                    let mark = if remark.is_empty() { "" } else { " #" };
                    lines.push(format!("    {},{mark}{remark}", rule.table()));
                }
            }
        }
        lines.push("]".to_owned());
        lines
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().flat_map(Entry::rules)
    }
}

impl Entry {
    fn shipped(accounts: &Accounts) -> Self {
        Self::Shipped(SHIPPED.iter().map(|shipped| Rule::shipped(shipped, accounts)).collect())
    }

    fn rules(&self) -> &[Rule] {
        match self {
            Self::Shipped(rules) => rules,
            Self::Rule(rule) => std::slice::from_ref(rule),
        }
    }
}

impl Rule {
    fn read(table: &DeTable<'_>, span: Range<usize>, accounts: &Accounts) -> Result<Self, WrongValue> {
        let mut rule = Self { cgroup: None, user: None, exe: None, reason: None };
        for (name, value) in table {
            let refused = |accepted: &str| wrong(name.get_ref(), value.get_ref(), value.span(), accepted);
            let text = value.get_ref().as_str();
            match name.get_ref().as_ref() {
                "cgroup" => rule.cgroup = Some(cgroup(text).ok_or_else(|| refused(CGROUP))?),
                "exe" => {
                    let path = text.filter(|path| path.starts_with('/')).map(PathBuf::from);
                    rule.exe = Some(path.ok_or_else(|| {
                        refused("expected the file's whole path, such as \"/usr/sbin/sshd\"")
                    })?);
                }
                "user" if text == Some("any") => return Err(refused(ANY_USER)),
                "user" => {
                    rule.user = Some(
                        User::read(value.get_ref(), accounts)
                            .ok_or_else(|| refused("expected a user's name or number"))?,
                    );
                }
                "reason" => {
                    let text = text.ok_or_else(|| refused("expected a text"))?;
                    rule.reason = Some(text.to_owned());
                }
                "comm" => return Err(wrong("comm", value.get_ref(), name.span(), COMM)),
                other => {
                    let hint = nearest(other, KEYS.into_iter())
                        .map_or_else(|| format!("a rule has {}", KEYS.join(", ")), did_you_mean);
                    return Err(wrong(other, value.get_ref(), name.span(), &format!("unknown key: {hint}")));
                }
            }
        }
        if rule.cgroup.is_none() && rule.user.is_none() && rule.exe.is_none() {
            let whole = DeValue::Table(table.clone());
            return Err(wrong("", &whole, span, "a rule must name at least one of cgroup, user and exe"));
        }
        Ok(rule)
    }

    fn shipped(shipped: &Shipped, accounts: &Accounts) -> Self {
        Self {
            cgroup: shipped.cgroup.map(ToOwned::to_owned),
            user: shipped.user.map(|name| User::of(name, accounts)),
            exe: shipped.exe.map(PathBuf::from),
            reason: Some(shipped.reason.to_owned()),
        }
    }

    fn table(&self) -> InlineTable {
        let mut table = InlineTable::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                table.insert(key, value.into());
            }
        };
        put("cgroup", self.cgroup.clone());
        put("user", self.user.as_ref().map(|user| user.name.clone()));
        put("exe", self.exe.as_ref().map(|exe| exe.to_string_lossy().into_owned()));
        put("reason", self.reason.clone());
        table
    }

    fn apply(&self) -> Option<NeverHold> {
        let user = match &self.user {
            Some(user) => Some(user.id?),
            // A user who may run a file can make it load code of their own.
            None => self.exe.as_ref().map(|_| ROOT),
        };
        Some(NeverHold { cgroup: self.cgroup.clone(), user, exe: self.exe.clone() })
    }

    /// Why it matches nobody on this host.
    fn unmet(&self) -> Option<String> {
        if let Some(User { name, id: None }) = &self.user {
            return Some(format!("no user {name}: getent passwd finds none"));
        }
        // If this process may not look there, the file may exist.
        let is_missing =
            |exe: &&PathBuf| fs::metadata(exe).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let exe = self.exe.as_ref().filter(is_missing)?;
        Some(format!("there is no {}", exe.display()))
    }

    /// The same for `check`, after a space, or nothing.
    fn remark(&self) -> String {
        self.unmet().map_or_else(String::new, |unmet| format!(" matches nobody here: {unmet}"))
    }
}

const COMM: &str = "a program chooses its own name: name its cgroup, user or exe";
const ANY_USER: &str = "any user could start that file with LD_PRELOAD and escape the limit: name the user; without a \
                        user, an exe applies only if root runs it";
const CGROUP: &str = "expected the path of a cgroup below the root, without wildcards, such as \
                      \"/system.slice/x.service\": at most 12 names of at most 58 bytes each";

fn cgroup(text: Option<&str>) -> Option<String> {
    let path = text?;
    let names: Vec<&str> = path.strip_prefix('/')?.trim_end_matches('/').split('/').collect();
    let good = |name: &&str| {
        !["", ".", ".."].contains(name) && name.len() <= LONGEST_NAME && !name.contains(['*', '?', '\0'])
    };
    (names.len() <= DEEPEST && names.iter().all(good)).then(|| format!("/{}", names.join("/")))
}

fn wrong(key: &str, value: &DeValue<'_>, span: Range<usize>, accepted: &str) -> WrongValue {
    let key = if key.is_empty() { "never_hold".to_owned() } else { format!("never_hold.{key}") };
    WrongValue::new(key, written(value), accepted.to_owned(), span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NeverHoldList, WrongValue> {
        let value = DeValue::parse(text).unwrap();
        NeverHoldList::read(value.get_ref(), value.span())
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
        assert_eq!(list.unwrap().apply(), expected);
    }

    #[test]
    fn the_shipped_list_is_what_the_key_itself_takes() {
        let shipped = NeverHoldList::default();
        let again = read(&shipped.in_full().to_string()).unwrap();
        assert_eq!(again.in_full().to_string(), shipped.in_full().to_string());
        assert_eq!(again.apply(), shipped.apply());
        assert!(SHIPPED.iter().all(|shipped| !shipped.reason.is_empty()));
        assert!(SHIPPED.len() <= MOST / 2, "there must be room for the host's own");
    }
}
