//! `match`: whose attempts a `[[scope]]` applies to.

use super::accounts::Accounts;
use super::key::{did_you_mean, nearest};
use super::pattern::CgroupPattern;
use super::user::User;
use super::value::{WrongValue, written};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};
use toml_edit::InlineTable;

const PATTERNS: &str = "expected a pattern of cgroups, such as \"/system.slice/x*.service\", or a list of patterns, \
                        of which the first that fits counts";
const KEYS: [&str; 4] = ["cgroup", "user", "exe", "comm"];
/// The longest name of a thread in the kernel, without the end mark.
const LONGEST_COMM: usize = 15;
const EXPECTED: &str =
    "expected a table of cgroup, user, exe and comm, such as { cgroup = \"/system.slice/x*.service\" }";
const EMPTY: &str = "a rule for everybody would be a second [host]: name a cgroup, user, exe or comm (cgroup = \"/\" \
                     matches every cgroup)";

/// Whose attempts match: those that meet all given conditions. At least one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// One of them must fit. None means no condition.
    cgroups: Vec<CgroupPattern>,
    user: Option<User>,
    exe: Option<PathBuf>,
    comm: Option<String>,
}

impl Who {
    pub(super) fn read(rule: &str, value: &DeValue<'_>, span: Range<usize>) -> Result<Self, WrongValue> {
        let DeValue::Table(table) = value else { return Err(wrong(rule, "", value, span, EXPECTED)) };
        let who = Self::of_table(rule, table)?;
        if who.cgroups.is_empty() && who.user.is_none() && who.exe.is_none() && who.comm.is_none() {
            return Err(wrong(rule, "", value, span, EMPTY));
        }
        Ok(who)
    }

    fn of_table(rule: &str, table: &DeTable<'_>) -> Result<Self, WrongValue> {
        let accounts = Accounts::known();
        let mut who = Self { cgroups: Vec::new(), user: None, exe: None, comm: None };
        for (name, value) in table {
            let refused =
                |accepted: &str| wrong(rule, name.get_ref(), value.get_ref(), value.span(), accepted);
            let text = value.get_ref().as_str();
            match name.get_ref().as_ref() {
                "cgroup" => {
                    who.cgroups = patterns(rule, value.get_ref(), value.span())?;
                }
                "user" => {
                    let user = User::read(value.get_ref(), &accounts);
                    who.user = Some(user.ok_or_else(|| refused("expected a user's name or number"))?);
                }
                "exe" => {
                    let path = text.filter(|path| path.starts_with('/')).map(PathBuf::from);
                    let expected = "expected the file's whole path, such as \"/usr/bin/transmission-daemon\"";
                    who.exe = Some(path.ok_or_else(|| refused(expected))?);
                }
                "comm" => {
                    let good = |text: &&str| (1..=LONGEST_COMM).contains(&text.len()) && !text.contains('\0');
                    let comm = text.filter(good).map(ToOwned::to_owned);
                    let expected =
                        "expected a name of 1 to 15 bytes, as /proc/PID/comm shows it, without wildcards";
                    who.comm = Some(comm.ok_or_else(|| refused(expected))?);
                }
                other => {
                    let hint = nearest(other, KEYS.into_iter())
                        .map_or_else(|| format!("match has {}", KEYS.join(", ")), did_you_mean);
                    let hint = format!("unknown key: {hint}");
                    return Err(wrong(rule, other, value.get_ref(), name.span(), &hint));
                }
            }
        }
        Ok(who)
    }

    /// As a file writes it.
    pub(super) fn value(&self) -> toml_edit::Value {
        let mut table = InlineTable::new();
        let mut put = |key: &str, value: Option<toml_edit::Value>| {
            if let Some(value) = value {
                table.insert(key, value);
            }
        };
        let cgroup = match self.cgroups.as_slice() {
            [] => None,
            [one] => Some(one.to_string().into()),
            several => Some(several.iter().map(ToString::to_string).collect::<toml_edit::Value>()),
        };
        put("cgroup", cgroup);
        put("user", self.user.as_ref().map(|user| user.name.clone().into()));
        put("exe", self.exe.as_ref().map(|exe| exe.to_string_lossy().into_owned().into()));
        put("comm", self.comm.clone().map(Into::into));
        table.into()
    }

    pub(super) fn cgroups(&self) -> &[CgroupPattern] {
        &self.cgroups
    }

    /// The user's number; `Err` if this host has no such user, so that nobody matches.
    pub(super) fn user(&self) -> Result<Option<u32>, &str> {
        self.user.as_ref().map(|user| user.id.ok_or(user.name.as_str())).transpose()
    }

    pub(super) fn exe(&self) -> Option<&PathBuf> {
        self.exe.as_ref()
    }

    pub(super) fn comm(&self) -> Option<&str> {
        self.comm.as_deref()
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

/// One pattern or a list of them.
fn patterns(rule: &str, value: &DeValue<'_>, span: Range<usize>) -> Result<Vec<CgroupPattern>, WrongValue> {
    let refused = |value: &DeValue<'_>, span, accepted: &str| wrong(rule, "cgroup", value, span, accepted);
    let read = |value: &DeValue<'_>, span: Range<usize>| {
        let text = value.as_str().ok_or_else(|| refused(value, span.clone(), PATTERNS))?;
        CgroupPattern::read(text).map_err(|accepted| refused(value, span, accepted))
    };
    let list = match value {
        DeValue::Array(list) if list.is_empty() => return Err(refused(value, span, PATTERNS)),
        DeValue::Array(list) => list,
        one => return read(one, span).map(|pattern| vec![pattern]),
    };
    let mut patterns: Vec<CgroupPattern> = Vec::with_capacity(list.len());
    for item in list {
        let pattern = read(item.get_ref(), item.span())?;
        if let Some(earlier) = patterns.iter().find(|earlier| earlier.covers(&pattern)) {
            let hint = format!(
                "it never counts, because {:?} before it matches all that it matches: put it first, or remove it",
                earlier.to_string()
            );
            return Err(refused(item.get_ref(), item.span(), &hint));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn wrong(rule: &str, key: &str, value: &DeValue<'_>, span: Range<usize>, accepted: &str) -> WrongValue {
    let key = if key.is_empty() { format!("{rule}.match") } else { format!("{rule}.match.{key}") };
    WrongValue::new(key, written(value), accepted.to_owned(), span)
}
