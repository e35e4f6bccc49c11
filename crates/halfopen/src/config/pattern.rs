//! Patterns for paths of cgroups.

use std::fmt;

/// Names in a path, and bytes in each, that the kernel part compares.
const DEEPEST: usize = 12;
const LONGEST_NAME: usize = 58;
/// Room for a pattern there, without the end mark.
const LONGEST: usize = 255;

const FORM: &str = "expected a pattern from the root of the hierarchy, such as \"/system.slice/x*.service\": at most \
                    12 names of at most 58 bytes each, 255 in all, * for any characters within one name";
const ANY_DEPTH: &str = "** has no meaning here: a pattern also matches the cgroups below those that it names, and * \
                         matches within one name";
const OTHER_SIGNS: &str = "* is the only wildcard, for any characters within one name: replace the other signs by * \
                           or by plain names";

/// A path from the root of the hierarchy, with `*` for any characters of a name. It fits the cgroups at that path and
/// all cgroups below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPattern(String);

impl CgroupPattern {
    /// The one that fits every cgroup.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    /// Reads a pattern. `/` fits every cgroup.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or(FORM)?.trim_end_matches('/');
        if rest.contains("**") {
            return Err(ANY_DEPTH);
        }
        if rest.contains(['?', '[', ']', '{', '}']) {
            return Err(OTHER_SIGNS);
        }
        let names: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        let good = |name: &&str| {
            !["", ".", ".."].contains(name)
                && name.len() <= LONGEST_NAME
                && !name.contains(|c: char| c.is_control())
        };
        let fits = names.len() <= DEEPEST && text.len() <= LONGEST && names.iter().all(good);
        if fits { Ok(Self(format!("/{}", names.join("/")))) } else { Err(FORM) }
    }

    /// Reads the path of one cgroup below the root, without wildcards.
    #[must_use]
    pub fn plain(text: &str) -> Option<Self> {
        let names: Vec<&str> = text.strip_prefix('/')?.trim_end_matches('/').split('/').collect();
        let good = |name: &&str| {
            !["", ".", ".."].contains(name) && name.len() <= LONGEST_NAME && !name.contains(['*', '?', '\0'])
        };
        (names.len() <= DEEPEST && names.iter().all(good)).then(|| Self(format!("/{}", names.join("/"))))
    }

    /// The cgroup at this path and all below it, however long its names are; `None` for what is no such path.
    pub(super) fn exact(text: &str) -> Option<Self> {
        let names: Vec<&str> = text.strip_prefix('/')?.split('/').collect();
        let good = |name: &&str| {
            !["", ".", ".."].contains(name) && !name.contains(|c: char| c == '*' || c.is_control())
        };
        (names.len() <= DEEPEST && text.len() <= LONGEST && names.iter().all(good))
            .then(|| Self(text.to_owned()))
    }

    /// Whether the pattern names the cgroup at `path` or one above it.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let mut names = names(path);
        self::names(&self.0).all(|pattern| names.next().is_some_and(|name| name_fits(pattern, name)))
    }

    /// Whether every path that fits `other` fits this pattern. A `*` of this pattern must take each `*` of the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.fits(&other.0)
    }

    /// How many names it has.
    pub(super) fn depth(&self) -> usize {
        names(&self.0).count()
    }

    /// The pattern that fits what both fit, as deep as the deeper one; `None` if no pattern says that.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let (mut ours, mut theirs) = (names(&self.0), names(&other.0));
        let mut both = Vec::new();
        loop {
            both.push(match (ours.next(), theirs.next()) {
                (Some(one), Some(two)) if name_fits(one, two) => two,
                (Some(one), Some(two)) if name_fits(two, one) => one,
                (Some(_), Some(_)) => return None,
                (Some(name), None) | (None, Some(name)) => name,
                (None, None) => break,
            });
        }
        let both = Self(format!("/{}", both.join("/")));
        (both.0.len() <= LONGEST).then_some(both)
    }

    /// Whether it leaves names below this depth open.
    pub(super) fn is_open_below(&self, depth: usize) -> bool {
        names(&self.0).skip(depth).any(|name| name.contains('*'))
    }

    /// Whether it names a single cgroup of this depth.
    pub(super) fn is_one_down_to(&self, depth: usize) -> bool {
        names(&self.0).take(depth).all(|name| !name.contains('*'))
    }

    /// Whether some path may fit both. `true` does not mean that one does.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        let is_plain = |name: &str| !name.contains('*');
        names(&self.0).zip(names(&other.0)).all(|(one, two)| match (is_plain(one), is_plain(two)) {
            (true, _) => name_fits(two, one),
            (_, true) => name_fits(one, two),
            _ => ends_may_meet(one, two),
        })
    }
}

impl fmt::Display for CgroupPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

pub(super) fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

/// Whether what is before the first `*` of two names, and what is after the last, may be that of one name.
fn ends_may_meet(one: &str, two: &str) -> bool {
    let start = |name: &str| name.find('*').unwrap_or(name.len());
    let starts = start(one).min(start(two));
    let end = |name: &str| name.len() - name.rfind('*').map_or(0, |at| at + 1);
    let ends = end(one).min(end(two));
    let (one, two) = (one.as_bytes(), two.as_bytes());
    one[..starts] == two[..starts] && one[one.len() - ends..] == two[two.len() - ends..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        for (text, named) in [
            ("", "from the root"),
            ("system.slice", "from the root"),
            ("/a//b", "from the root"),
            ("/a/../b", "from the root"),
            ("/a/**", "within one name"),
            ("/a/**/b", "within one name"),
            ("/a?b", "only wildcard"),
            ("/[ab]", "only wildcard"),
        ] {
            let refused = CgroupPattern::read(text).unwrap_err();
            assert!(refused.contains(named), "{text:?}: {refused}");
        }
        assert!(CgroupPattern::read(&"/x".repeat(12)).is_ok());
        assert!(CgroupPattern::read(&"/x".repeat(13)).is_err());
        assert!(CgroupPattern::read(&format!("/{}", "x".repeat(58))).is_ok());
        assert!(CgroupPattern::read(&format!("/{}", "x".repeat(59))).is_err());
        assert!(CgroupPattern::read(&format!("/{}", "x".repeat(50)).repeat(5)).is_ok());
        assert!(CgroupPattern::read(&format!("/{}", "x".repeat(51)).repeat(5)).is_err());
        assert_eq!(CgroupPattern::read("/a*/b/").unwrap().to_string(), "/a*/b");
    }

    #[test]
    fn a_pattern_fits_what_it_names_and_all_below() {
        let fits = |pattern: &str, path: &str| CgroupPattern::read(pattern).unwrap().fits(path);
        for (pattern, path) in [
            ("/", "/"),
            ("/", "/a/b"),
            ("/*", "/a/b"),
            ("/*/*", "/user.slice/user-7.slice/session-1.scope"),
            ("/system.slice/transmission*.service", "/system.slice/transmission-daemon.service"),
            ("/a*b*c", "/abbc"),
            ("/a*b", "/ab"),
            ("/*kubepods*/x", "/kubepods/x"),
        ] {
            assert!(fits(pattern, path), "{pattern} and {path}");
        }
        for (pattern, path) in [
            ("/*", "/"),
            ("/*/*", "/a"),
            ("/a", "/ab"),
            ("/a*b", "/a/b"),
            ("/a*a", "/a"),
            ("/a*b*bc", "/abc"),
            ("/b*", "/ab"),
        ] {
            assert!(!fits(pattern, path), "{pattern} and {path}");
        }
    }

    #[test]
    fn a_pattern_covers_one_that_it_leaves_nothing_to() {
        let covers = |one: &str, two: &str| {
            CgroupPattern::read(one).unwrap().covers(&CgroupPattern::read(two).unwrap())
        };
        for (one, two) in
            [("/", "/"), ("/", "/a"), ("/a", "/a/*"), ("/*", "/a*"), ("/*/*", "/x*y/z"), ("/a*c", "/ab*bc")]
        {
            assert!(covers(one, two), "{one} and {two}");
        }
        for (one, two) in [("/a", "/"), ("/*/*", "/*"), ("/a", "/*"), ("/a*", "/*a"), ("/ab", "/a*b")] {
            assert!(!covers(one, two), "{one} and {two}");
        }
    }

    #[test]
    fn patterns_that_share_no_path_never_meet() {
        let meet = |one: &str, two: &str| {
            let (one, two) = (CgroupPattern::read(one).unwrap(), CgroupPattern::read(two).unwrap());
            assert_eq!(one.may_meet(&two), two.may_meet(&one));
            one.may_meet(&two)
        };
        assert!(meet("/", "/a/b") && meet("/a*", "/ab/c") && meet("/*a", "/b*"));
        assert!(meet("/a*", "/ab*c") && !meet("/a*", "/b*") && !meet("/*a", "/*b") && !meet("/xa*", "/xb*c"));
        assert!(!meet("/a", "/b") && !meet("/x/a*", "/x/b") && !meet("/a/b", "/a/c/d"));
    }

    #[test]
    fn both_of_two_patterns_is_the_narrower_name_at_each_depth() {
        let both = |one: &str, two: &str| {
            let (one, two) = (CgroupPattern::read(one).unwrap(), CgroupPattern::read(two).unwrap());
            assert_eq!(one.and(&two), two.and(&one));
            one.and(&two).map(|both| both.to_string())
        };
        for (one, two, expected) in [
            ("/", "/", "/"),
            ("/", "/a*", "/a*"),
            ("/system.slice", "/*/*", "/system.slice/*"),
            ("/a/b*/c", "/*/*", "/a/b*/c"),
            ("/a*", "/ab*/*c", "/ab*/*c"),
        ] {
            assert_eq!(both(one, two).as_deref(), Some(expected), "{one} and {two}");
        }
        assert_eq!((both("/a*", "/*b"), both("/a/b", "/a/c")), (None, None));
        let open = |text: &str, depth| CgroupPattern::read(text).unwrap().is_open_below(depth);
        assert!(open("/a/*", 1) && !open("/*/b", 1) && !open("/*", 1));
    }
}
