//! The programs that a rule is for: `match` of a `[[scope]]`, and the items of `never_hold`.

use super::accounts::Accounts;
use super::containers::Containers;
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
    /// One of them must fit. None means no condition. In `never_hold`, at most one, without wildcards. Where there are
    /// `containers`, these are their cgroups.
    pub(super) cgroups: Vec<CgroupPattern>,
    /// None in `never_hold`.
    pub(super) containers: Containers,
    /// It must be one of them; so too below. In `never_hold`, at most one each.
    pub(super) users: Vec<User>,
    pub(super) exes: Vec<PathBuf>,
    pub(super) comms: Vec<String>,
    /// Programs that meet any of these conditions are left out. None in `never_hold`.
    pub(super) not: Option<Box<Self>>,
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
    /// `match.not` of a `[[scope]]`.
    Not,
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
const NOT_BY_COMM: &str =
    "a program chooses its own name, and by it would leave the rule: name its cgroup, user or exe";
const CONTAINER: &str = "expected a container's name, such as \"web\" or \"web-*\", or a list of names";
const LABEL: &str = "expected a container's label, such as \"role\" or \"role=crawler\", or a list of labels";
const TWO_WAYS: &str = "containers are found by their cgroups: name cgroup, or container and label, not both";
const NOT_ALL: &str = "this leaves everybody out: name a cgroup below the root, or remove the rule";
const NO_COMM: &str = "a program chooses its own name: name its cgroup, user or exe";

impl For {
    fn or_list(self, one: &str, list: &str) -> String {
        format!("{one}{}", if self == Self::NeverHold { "" } else { list })
    }

    /// The conditions that can be given, each with what it means.
    pub const fn keys(self) -> &'static [(&'static str, &'static str)] {
        const USER: (&str, &str) = (
            "user",
            "every process of this user, by name or number. The name is looked up, in \
            /etc/passwd and by getent, when this file is read; one that is not found matches nobody",
        );
        const CONTAINER: (&str, &str) = (
            "container",
            "the running containers of Docker or of root's Podman with this name, in which * stands for any \
            characters. The files of the runtime tell; they are looked at every second",
        );
        const LABEL: (&str, &str) =
            ("label", "the running containers of Docker with this label, as \"KEY\" or \"KEY=VALUE\"");
        const EXE: (&str, &str) =
            ("exe", "every process that runs this file, identified by inode and device");
        match self {
            Self::Not => &[("cgroup", "as in match"), CONTAINER, LABEL, USER, EXE],
            Self::Scope => &[
                (
                    "cgroup",
                    "the cgroups at this path from the root of the version 2 hierarchy, and all below them. * \
                    stands for any characters of one name, and in a list of patterns the first that fits counts",
                ),
                CONTAINER,
                LABEL,
                USER,
                EXE,
                (
                    "comm",
                    "every thread that calls itself so. A program chooses this name, so such a rule may not be \
                    laxer, in any number, than a later rule that could match the same programs",
                ),
                (
                    "not",
                    "a table of cgroup, container, label, user and exe. Programs that meet any of these are left out: the next rule that \
                    matches them counts",
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
                ("cgroup", For::Scope | For::Not) => who.cgroups = patterns(&key, &value)?,
                ("cgroup", For::NeverHold) => {
                    let path = text.and_then(CgroupPattern::plain);
                    who.cgroups = vec![path.ok_or_else(|| refused(PLAIN))?];
                }
                ("user", For::NeverHold) if text == Some("any") => return Err(refused(ANY_USER)),
                ("user", _) => {
                    let expected = place.or_list("expected a user's name or number", " or a list of users");
                    who.users = some(&key, &value, place, &expected, |value| User::read(value, &accounts))?;
                }
                ("exe", _) => {
                    let expected = place.or_list(
                        "expected the file's whole path, such as \"/usr/sbin/sshd\"",
                        " or a list of paths",
                    );
                    let path = |value: &Written<'_, '_>| {
                        value.text().filter(|path| path.starts_with('/')).map(PathBuf::from)
                    };
                    who.exes = some(&key, &value, place, &expected, path)?;
                }
                ("comm", For::Scope) => {
                    let good = |text: &&str| (1..=LONGEST_COMM).contains(&text.len()) && !text.contains('\0');
                    let name = |value: &Written<'_, '_>| value.text().filter(good).map(ToOwned::to_owned);
                    who.comms = some(&key, &value, place, COMM, name)?;
                }
                ("container", For::Scope | For::Not) => {
                    who.containers.names = some(&key, &value, place, CONTAINER, |value| {
                        value.text().filter(|name| !name.is_empty()).map(ToOwned::to_owned)
                    })?;
                }
                ("label", For::Scope | For::Not) => {
                    who.containers.labels = some(&key, &value, place, LABEL, |value| {
                        value.text().filter(|label| !label.is_empty()).map(ToOwned::to_owned)
                    })?;
                }
                ("comm", For::Not) => return at_name(NOT_BY_COMM),
                ("not", For::Scope) => who.not = Some(Box::new(Self::read(&key, &value, For::Not)?)),
                ("comm", For::NeverHold) => return at_name(NO_COMM),
                ("reason", For::NeverHold) => {
                    who.reason = Some(text.ok_or_else(|| refused("expected a text"))?.to_owned());
                }
                (other, _) => {
                    let keys: Vec<&str> = place.keys().iter().map(|(key, _)| *key).collect();
                    let own = match place {
                        For::Scope => "match",
                        For::Not => "not",
                        For::NeverHold => "a rule",
                    };
                    let hint = nearest(other, keys.iter().copied())
                        .map_or_else(|| format!("{own} has {}", keys.join(", ")), did_you_mean);
                    return at_name(&format!("unknown key: {hint}"));
                }
            }
        }
        if !who.containers.is_none() {
            if !who.cgroups.is_empty() {
                return Err(whole.wrong(of, TWO_WAYS));
            }
            who.cgroups = who.containers.cgroups();
        }
        if who.cgroups.is_empty()
            && who.containers.is_none()
            && who.users.is_empty()
            && who.exes.is_empty()
            && who.comms.is_empty()
        {
            return Err(whole.wrong(of, if place == For::NeverHold { NOBODY } else { EVERYBODY }));
        }
        if place == For::Not && who.cgroups.contains(&CgroupPattern::root()) {
            return Err(whole.wrong(of, NOT_ALL));
        }
        Ok(who)
    }

    /// As a file writes it.
    pub(super) fn table(&self) -> InlineTable {
        let list = |all: Vec<String>| match all.as_slice() {
            [] => None,
            [one] => Some(Value::from(one)),
            several => Some(several.iter().collect()),
        };
        let cgroups =
            self.cgroups.iter().filter(|_| self.containers.is_none()).map(ToString::to_string).collect();
        let all = [
            ("cgroup", list(cgroups)),
            ("container", list(self.containers.names.clone())),
            ("label", list(self.containers.labels.clone())),
            ("user", list(self.users.iter().map(|user| user.name.clone()).collect())),
            ("exe", list(self.exes.iter().map(|exe| exe.to_string_lossy().into_owned()).collect())),
            ("comm", list(self.comms.clone())),
            ("not", self.not.as_ref().map(|not| not.table().into())),
            ("reason", self.reason.as_deref().map(Value::from)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// With the cgroups that its containers have now.
    pub(super) fn of_now(&self) -> Self {
        let cgroups =
            if self.containers.is_none() { self.cgroups.clone() } else { self.containers.cgroups() };
        let not = self.not.as_ref().map(|not| Box::new(not.of_now()));
        Self { cgroups, not, ..self.clone() }
    }

    /// Whether it names containers of which none runs.
    pub(super) fn lacks_containers(&self) -> bool {
        !self.containers.is_none() && self.cgroups.is_empty()
    }

    /// The numbers of its users; `None` if it names some and this host has none of them, so that nobody matches.
    pub(super) fn user_numbers(&self) -> Option<Vec<u32>> {
        let numbers: Vec<u32> = self.users.iter().filter_map(|user| user.id).collect();
        (self.users.is_empty() || !numbers.is_empty()).then_some(numbers)
    }

    /// Users that this host lacks.
    pub(super) fn unknown_users(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter(|user| user.id.is_none()).map(|user| user.name.as_str())
    }

    /// Whether every program in the cgroup at `path` matches.
    pub(super) fn is_all_of(&self, path: &str) -> bool {
        let alone = self.users.is_empty() && self.exes.is_empty() && self.comms.is_empty();
        let whole = CgroupPattern::read(path);
        let is_left_out = self.not.as_ref().is_some_and(|not| {
            let meets =
                |pattern: &CgroupPattern| whole.as_ref().map_or(true, |whole| pattern.may_meet(whole));
            !not.users.is_empty() || !not.exes.is_empty() || not.cgroups.iter().any(meets)
        });
        alone && !is_left_out && self.cgroups.iter().any(|pattern| pattern.fits(path))
    }

    /// Whether a program may match both, whatever name it gives itself. `true` does not mean that one can.
    pub(super) fn may_share_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.cgroups, &other.cgroups);
        let cgroups = ours.is_empty()
            || theirs.is_empty()
            || ours.iter().any(|one| theirs.iter().any(|two| one.may_meet(two)));
        let (ours, theirs) = (&self.users, &other.users);
        let users = ours.is_empty()
            || theirs.is_empty()
            || ours.iter().any(|one| theirs.iter().any(|two| one.id == two.id));
        // Two paths may name one file.
        cgroups && users
    }

    /// Whether every program that matches `other` matches this. `false` does not mean that one does not.
    pub(super) fn covers(&self, other: &Self) -> bool {
        fn wide<T: PartialEq>(ours: &[T], theirs: &[T]) -> bool {
            ours.is_empty() || (!theirs.is_empty() && theirs.iter().all(|one| ours.contains(one)))
        }
        let root = CgroupPattern::root();
        let theirs = if other.cgroups.is_empty() { std::slice::from_ref(&root) } else { &other.cgroups };
        let cgroups = || theirs.iter().all(|theirs| self.cgroups.iter().any(|ours| ours.covers(theirs)));
        let in_cgroups = if self.containers.is_none() {
            self.cgroups.is_empty() || cgroups()
        } else {
            self.containers == other.containers
        };
        wide(&self.user_ids(), &other.user_ids())
            && wide(&self.exes, &other.exes)
            && wide(&self.comms, &other.comms)
            && in_cgroups
            && self.not.as_ref().is_none_or(|not| other.lacks(not))
    }

    /// Whether no program that matches this meets any condition of `not`. `false` does not mean that one does.
    fn lacks(&self, not: &Self) -> bool {
        let ours = self.not.as_deref();
        let cgroup = |left_out: &CgroupPattern| {
            let is_elsewhere =
                !self.cgroups.is_empty() && !self.cgroups.iter().any(|one| one.may_meet(left_out));
            is_elsewhere || ours.is_some_and(|ours| ours.cgroups.iter().any(|one| one.covers(left_out)))
        };
        let user = |left_out: &User| {
            let is_other = !self.users.is_empty() && self.users.iter().all(|one| one.id != left_out.id);
            is_other || ours.is_some_and(|ours| ours.users.iter().any(|one| one.id == left_out.id))
        };
        let exe = |left_out: &PathBuf| ours.is_some_and(|ours| ours.exes.contains(left_out));
        not.cgroups.iter().all(cgroup) && not.users.iter().all(user) && not.exes.iter().all(exe)
    }

    fn user_ids(&self) -> Vec<Option<u32>> {
        self.users.iter().map(|user| user.id).collect()
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
        if self.user_numbers().is_none() {
            let name = self.unknown_users().next()?;
            return Some(format!("no user {name}: getent passwd finds none"));
        }
        // If this process may not look there, the file may exist.
        let is_missing =
            |exe: &&PathBuf| fs::metadata(exe).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let exe = self.exes.first()?;
        self.exes.iter().all(|exe| is_missing(&exe)).then(|| format!("there is no {}", exe.display()))
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

/// The items of a list, or a value without one, of which `read` takes each. `never_hold` has no lists here.
fn some<T>(
    key: &str,
    written: &Written<'_, '_>,
    place: For,
    expected: &str,
    read: impl Fn(&Written<'_, '_>) -> Option<T>,
) -> Result<Vec<T>, WrongValue> {
    let items = match written.value {
        DeValue::Array(list) if place != For::NeverHold && !list.is_empty() => {
            list.iter().map(Written::at).collect()
        }
        _ => vec![written.clone()],
    };
    items.iter().map(|item| read(item).ok_or_else(|| item.wrong(key, expected))).collect()
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
