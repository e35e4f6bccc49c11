//! What a rule names that this host lacks now.

use super::pattern::CgroupPattern;
use super::remark::RemarkKind;
use super::who::Who;
use halfopen_bpf::cgroup2_mount;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How many cgroups a pattern is followed to.
const FOLLOWED: usize = 10_000;
/// How many letters may be wrong in what was meant.
const WRONG_LETTERS: usize = 2;
/// Where the hierarchy mostly is mounted, which is no part of a cgroup's path.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

impl Who {
    /// Why it matches nobody on any host.
    pub(super) fn misspelt(&self) -> Vec<(RemarkKind, String)> {
        let found = self.cgroups.iter().filter_map(misspelt);
        let not = self.not.iter().flat_map(|not| not.misspelt());
        found.map(|message| (RemarkKind::MisspeltPath, message)).chain(not.map(of_not)).collect()
    }

    /// Why it matches nobody on this host now, or on any.
    pub(super) fn unmatched(&self) -> Vec<(RemarkKind, String)> {
        let of_cgroups = self.cgroups.iter().filter_map(misspelt);
        let mut found: Vec<_> = of_cgroups.map(|message| (RemarkKind::MisspeltPath, message)).collect();
        for name in self.unknown_users() {
            let whom = if self.user_numbers().is_none() { "nobody" } else { "only its other users" };
            let message = format!("matches {whom}: there is no user {name} (getent passwd finds none)");
            found.push((RemarkKind::NoUser, message));
        }
        let executables = self.exes.iter().filter_map(|exe| no_executable(exe));
        found.extend(executables.map(|message| (RemarkKind::NoExecutable, message)));
        if self.lacks_containers() {
            let message = "matches nobody now: no running container of Docker or Podman, as far as this process may see, \
                           has such a name and label";
            found.push((RemarkKind::NoCgroup, message.to_owned()));
        }
        let root = cgroup2_mount();
        if let Some(root) = root.filter(|_| found.is_empty() && !self.cgroups.is_empty()) {
            let missing = self.cgroups.iter().map(|pattern| no_cgroup(pattern, &root));
            let missing: Option<Vec<String>> = missing.collect();
            let message = missing.map(|all| format!("matches nobody now: {}", all.join("; ")));
            found.extend(message.map(|message| (RemarkKind::NoCgroup, message)));
        }
        let not = self.not.iter().flat_map(|not| not.unmatched());
        found.extend(not.map(of_not));
        found
    }
}

fn of_not((kind, message): (RemarkKind, String)) -> (RemarkKind, String) {
    (kind, format!("its `not` {message}"))
}

fn no_executable(exe: &Path) -> Option<String> {
    let shown = exe.display();
    match fs::metadata(exe) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let meant = exe.file_name().zip(exe.parent()).and_then(|(name, directory)| {
                let near = near(&name.to_string_lossy(), &[directory.to_owned()])?;
                Some(format!(": did you mean {}?", directory.join(near).display()))
            });
            Some(format!("matches nobody: there is no {shown}{}", meant.unwrap_or_default()))
        }
        Ok(file) if !file.is_file() => Some(format!("matches nobody: {shown} is no file")),
        Ok(_) => {
            let mut start = [0; 2];
            let is_script =
                File::open(exe).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!";
            is_script.then(|| {
                format!(
                    "matches nobody: {shown} is a script, and what runs is its interpreter; name its cgroup or \
                     user"
                )
            })
        }
        // If this process may not look there, the file may exist.
        Err(_) => None,
    }
}

fn misspelt(pattern: &CgroupPattern) -> Option<String> {
    let text = pattern.to_string();
    let rest = MOUNTS.iter().find_map(|mount| text.strip_prefix(mount))?;
    let rest = if rest.is_empty() { "/" } else { rest };
    rest.starts_with('/').then(|| {
        format!("matches nobody: paths of cgroups begin at the root of their hierarchy: write {rest:?}, not {text:?}")
    })
}

/// `None` if a cgroup fits.
fn no_cgroup(pattern: &CgroupPattern, root: &Path) -> Option<String> {
    let text = pattern.to_string();
    let mut here = vec![root.to_owned()];
    let mut way = String::new();
    for name in text.split('/').filter(|name| !name.is_empty()) {
        let below: Vec<PathBuf> = if name.contains('*') {
            let one = CgroupPattern::read(&format!("/{name}")).ok()?;
            let fits = |path: &PathBuf| {
                path.file_name().is_some_and(|name| one.fits(&format!("/{}", name.to_string_lossy())))
            };
            here.iter().flat_map(|path| directories(path)).filter(fits).take(FOLLOWED).collect()
        } else {
            here.iter().map(|path| path.join(name)).filter(|path| path.is_dir()).collect()
        };
        if below.is_empty() {
            let near = if name.contains('*') { None } else { near(name, &here) };
            let meant = near.map(|near| format!(": did you mean {way}/{near}?")).unwrap_or_default();
            return Some(format!("there is no cgroup {text}{meant}"));
        }
        way = format!("{way}/{name}");
        here = below;
    }
    None
}

fn directories(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// The name in one of the directories that `name` is most like.
fn near(name: &str, directories: &[PathBuf]) -> Option<String> {
    let names = directories.iter().flat_map(|path| fs::read_dir(path).into_iter().flatten().flatten());
    let names = names.take(FOLLOWED).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let wrong = names.map(|near| (strsim::osa_distance(name, &near), near));
    wrong.min().filter(|(wrong, _)| *wrong <= WRONG_LETTERS).map(|(_, near)| near)
}
