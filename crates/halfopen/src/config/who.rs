//! The programs that a rule is for: `match` of a `[[scope]]`, and the items of `never_hold`.

use super::accounts::Accounts;
use super::hint::{did_you_mean, nearest};
use super::pattern::CgroupPattern;
use super::written::{Written, WrongValue};
use std::fs;
use std::io;
use std::path::PathBuf;
use toml::de::DeValue;
use toml_edit::{InlineTable, Value};

/// The conditions of a rule: a program must meet all that are given. At least one is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// One of them must fit. None means no condition. In `never_hold`, at most one, without wildcards.
    pub(super) cgroups: Vec<CgroupPattern>,
    pub(super) user: Option<User>,
    pub(super) exe: Option<PathBuf>,
    pub(super) comm: Option<String>,
    pub(super) reason: Option<String>,
}

/// By name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// The name, as the user wrote it.
    pub name: String,
    /// The number when the value was read; `None` = there was no such user.
    pub id: Option<u32>,
}

/// Where the conditions stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// `match` of a `[[scope]]`.
    Scope,
    /// An item of `never_hold`.
    NeverHold,
}

/// The longest name of a thread in the kernel, without the end mark.
const LONGEST_COMM: usize = 15;
const NO_TABLE: &str =
    "expected a table of cgroup, user, exe and comm, such as { cgroup = \"/system.slice/x*.service\" }";
const EVERYBODY: &str = "a rule for everybody would be a second [host]: name a cgroup, user, exe or comm (cgroup = \
                         \"/\" matches every cgroup)";
const NOBODY: &str = "a rule must name at least one of cgroup, user and exe";
const PATTERNS: &str = "expected a pattern of cgroups, such as \"/system.slice/x*.service\", or a list of patterns, \
                        of which the first that fits counts";
const PLAIN: &str = "expected the path of a cgroup below the root, without wildcards, such as \
                     \"/system.slice/x.service\": at most 12 names of at most 58 bytes each";
const ANY_USER: &str = "any user could start that file with LD_PRELOAD and escape the limit: name the user; without a \
                        user, an exe applies only if root runs it";
const COMM: &str = "expected a name of 1 to 15 bytes, as /proc/PID/comm shows it, without wildcards";
const NO_COMM: &str = "a program chooses its own name: name its cgroup, user or exe";

impl For {
    /// The conditions that can be given, each with what it means.
    pub const fn keys(self) -> &'static [(&'static str, &'static str)] {
        const USER: (&str, &str) = (
            "user",
            "every process of this user, by name or number. The name is looked up, in \
            /etc/passwd and by getent, when this file is read; one that is not found matches nobody",
        );
        match self {
            Self::Scope => &[
                (
                    "cgroup",
                    "the cgroups at this path from the root of the version 2 hierarchy, and all below them. * \
                    stands for any characters of one name, and in a list of patterns the first that fits counts",
                ),
                USER,
                ("exe", "every process that runs this file, identified by inode and device"),
                (
                    "comm",
                    "every thread that calls itself so. A program chooses this name, so such a rule may not be \
                    laxer, in any number, than a later rule that could match the same programs",
                ),
            ],
            Self::NeverHold => &[
                ("cgroup", "the cgroup at this path and all below it, without wildcards"),
                USER,
                (
                    "exe",
                    "every process that runs this file, identified by inode and device and looked up again every \
                    second. Without user, only if root runs it: any other user could start the file with LD_PRELOAD \
                    and escape the limit",
                ),
                ("reason", "why, for those who read the list"),
            ],
        }
    }
}

impl Who {
    /// Reads the conditions of the key called `of`.
    pub(super) fn read(of: &str, whole: &Written<'_, '_>, place: For) -> Result<Self, WrongValue> {
        let DeValue::Table(table) = whole.value else { return Err(whole.wrong(of, NO_TABLE)) };
        let accounts = Accounts::known();
        let mut who = Self::default();
        for (name, value) in table {
            let value = Written::at(value);
            let key = format!("{of}.{}", name.get_ref());
            let text = value.text();
            let refused = |accepted| value.wrong(&key, accepted);
            let at_name =
                |accepted: &str| Err(Written { span: name.span(), ..value.clone() }.wrong(&key, accepted));
            match (name.get_ref().as_ref(), place) {
                ("cgroup", For::Scope) => who.cgroups = patterns(&key, &value)?,
                ("cgroup", For::NeverHold) => {
                    let path = text.and_then(CgroupPattern::plain);
                    who.cgroups = vec![path.ok_or_else(|| refused(PLAIN))?];
                }
                ("user", For::NeverHold) if text == Some("any") => return Err(refused(ANY_USER)),
                ("user", _) => {
                    let user = User::read(&value, &accounts);
                    who.user = Some(user.ok_or_else(|| refused("expected a user's name or number"))?);
                }
                ("exe", _) => {
                    let path = text.filter(|path| path.starts_with('/')).map(PathBuf::from);
                    let expected = "expected the file's whole path, such as \"/usr/sbin/sshd\"";
                    who.exe = Some(path.ok_or_else(|| refused(expected))?);
                }
                ("comm", For::Scope) => {
                    let good = |text: &&str| (1..=LONGEST_COMM).contains(&text.len()) && !text.contains('\0');
                    who.comm = Some(text.filter(good).ok_or_else(|| refused(COMM))?.to_owned());
                }
                ("comm", For::NeverHold) => return at_name(NO_COMM),
                ("reason", For::NeverHold) => {
                    who.reason = Some(text.ok_or_else(|| refused("expected a text"))?.to_owned());
                }
                (other, _) => {
                    let keys: Vec<&str> = place.keys().iter().map(|(key, _)| *key).collect();
                    let own = if place == For::Scope { "match" } else { "a rule" };
                    let hint = nearest(other, keys.iter().copied())
                        .map_or_else(|| format!("{own} has {}", keys.join(", ")), did_you_mean);
                    return at_name(&format!("unknown key: {hint}"));
                }
            }
        }
        if who.cgroups.is_empty() && who.user.is_none() && who.exe.is_none() && who.comm.is_none() {
            return Err(whole.wrong(of, if place == For::Scope { EVERYBODY } else { NOBODY }));
        }
        Ok(who)
    }

    /// As a file writes it.
    pub(super) fn table(&self) -> InlineTable {
        let cgroup = match self.cgroups.as_slice() {
            [] => None,
            [one] => Some(one.to_string().into()),
            several => Some(several.iter().map(ToString::to_string).collect()),
        };
        let text = |text: Option<&str>| text.map(Value::from);
        let all = [
            ("cgroup", cgroup),
            ("user", text(self.user.as_ref().map(|user| user.name.as_str()))),
            ("exe", self.exe.as_ref().map(|exe| exe.to_string_lossy().into_owned().into())),
            ("comm", text(self.comm.as_deref())),
            ("reason", text(self.reason.as_deref())),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// The user's number; `Err` if this host has no such user, so that nobody matches.
    pub(super) fn user(&self) -> Result<Option<u32>, &str> {
        self.user.as_ref().map(|user| user.id.ok_or(user.name.as_str())).transpose()
    }

    /// Whether every program in the cgroup at `path` matches.
    pub(super) fn is_all_of(&self, path: &str) -> bool {
        let alone = self.user.is_none() && self.exe.is_none() && self.comm.is_none();
        alone && self.cgroups.iter().any(|pattern| pattern.fits(path))
    }

    /// Whether a program may match both, whatever name it gives itself. `true` does not mean that one can.
    pub(super) fn may_share_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.cgroups, &other.cgroups);
        let cgroups = ours.is_empty()
            || theirs.is_empty()
            || ours.iter().any(|one| theirs.iter().any(|two| one.may_meet(two)));
        let users = self.user.as_ref().zip(other.user.as_ref());
        // Two paths may name one file.
        cgroups && users.is_none_or(|(one, two)| one.id == two.id)
    }

    /// Whether every program that matches `other` matches this. `false` does not mean that one does not.
    pub(super) fn covers(&self, other: &Self) -> bool {
        fn wide<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>) -> bool {
            ours.is_none() || ours == theirs
        }
        let root = CgroupPattern::root();
        let theirs = if other.cgroups.is_empty() { std::slice::from_ref(&root) } else { &other.cgroups };
        let cgroups = || theirs.iter().all(|theirs| self.cgroups.iter().any(|ours| ours.covers(theirs)));
        let user = |who: &Self| who.user.as_ref().map(|user| user.id);
        wide(user(self).as_ref(), user(other).as_ref())
            && wide(self.exe.as_ref(), other.exe.as_ref())
            && wide(self.comm.as_ref(), other.comm.as_ref())
            && (self.cgroups.is_empty() || cgroups())
    }

    /// Whether one of its cgroups is further down than those of `accounts` in which the same programs would be.
    pub(super) fn is_deeper_than(&self, accounts: &[CgroupPattern]) -> bool {
        self.cgroups.iter().any(|ours| depth_in(accounts, ours).is_some_and(|depth| ours.depth() > depth))
    }

    /// Whether all its programs are in one of the cgroups that `accounts` tell apart.
    pub(super) fn is_in_one_of(&self, accounts: &[CgroupPattern]) -> bool {
        let [ours] = self.cgroups.as_slice() else { return false };
        depth_in(accounts, ours).is_some_and(|depth| ours.depth() >= depth && ours.is_one_down_to(depth))
    }

    /// Why it matches nobody on this host.
    pub(super) fn unmet(&self) -> Option<String> {
        if let Err(name) = self.user() {
            return Some(format!("no user {name}: getent passwd finds none"));
        }
        // If this process may not look there, the file may exist.
        let is_missing =
            |exe: &&PathBuf| fs::metadata(exe).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let exe = self.exe.as_ref().filter(is_missing)?;
        Some(format!("there is no {}", exe.display()))
    }
}

impl User {
    pub fn of(name: &str, accounts: &Accounts) -> Self {
        Self { name: name.to_owned(), id: accounts.id(name) }
    }

    /// `None` for a value that is neither a name nor a number.
    fn read(written: &Written<'_, '_>, accounts: &Accounts) -> Option<Self> {
        if let Some(id) = written.number() {
            return Some(Self { name: id.to_string(), id: Some(id) });
        }
        written.text().filter(|name| !name.is_empty()).map(|name| Self::of(name, accounts))
    }
}

/// The depth of the first of `accounts` for all cgroups of `pattern`.
fn depth_in(accounts: &[CgroupPattern], pattern: &CgroupPattern) -> Option<usize> {
    accounts.iter().find(|account| account.covers(pattern)).map(CgroupPattern::depth)
}

/// One pattern or a list of them.
fn patterns(key: &str, written: &Written<'_, '_>) -> Result<Vec<CgroupPattern>, WrongValue> {
    let read = |written: &Written<'_, '_>| {
        let text = written.text().ok_or_else(|| written.wrong(key, PATTERNS))?;
        CgroupPattern::read(text).map_err(|accepted| written.wrong(key, accepted))
    };
    let list = match written.value {
        DeValue::Array(list) if list.is_empty() => return Err(written.wrong(key, PATTERNS)),
        DeValue::Array(list) => list,
        _ => return read(written).map(|pattern| vec![pattern]),
    };
    let mut patterns: Vec<CgroupPattern> = Vec::with_capacity(list.len());
    for item in list {
        let item = Written::at(item);
        let pattern = read(&item)?;
        if let Some(earlier) = patterns.iter().find(|earlier| earlier.covers(&pattern)) {
            let hint = format!(
                "it never counts, because {:?} before it matches all that it matches: put it first, or remove it",
                earlier.to_string()
            );
            return Err(item.wrong(key, &hint));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}
