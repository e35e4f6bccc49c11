//! What outlives its daemon: links and maps pinned in one directory of the BPF file system, and nothing else there.
//! Removing that directory ends the limit: the daemon has no descriptor of the links of its own.

use crate::limiter::{EnforcementStopped, bpf};
use crate::plain;
use crate::skeleton::types;
use crate::walk::restore_everywhere;
use crate::{KernelError, OptionalHook};
use libbpf_rs::{Link, MapCore, MapFlags, MapHandle};
use rustix::fs::{AtFlags, Dir, FlockOperation, FsWord, StatxFlags, flock, fstatfs, statx};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek};
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where the limit outlives its daemon, unless another directory is named.
pub const PINS: &str = "/sys/fs/bpf/halfopen";

/// `LAYOUT` of bpf/abi.h.
pub(crate) const LAYOUT: u32 = 6;

/// The links of the hooks, in the order in which they are attached: egress first, since what `sock_ops` queues must be
/// held from its first SYN on.
pub(crate) const HOOKS: [&str; 6] =
    ["egress", "setsockopt", "getsockopt", "sock_ops", "connect4", "connect6"];
/// The link of the walk that gives held sockets their own options back: any version can read it, whatever the layout.
pub(crate) const RESTORE: &str = "restore";
const KEEPER: &str = "keeper";
/// The file of the map of the global variables (names with a dot are reserved there).
const STATE: &str = "state";

/// The directory, locked.
#[derive(Debug)]
pub(crate) struct Pins {
    path: PathBuf,
    dir: File,
    /// `/proc/self/mountinfo`, open: the path may be closed to this process later.
    mounts: File,
}

/// The file name of the map that libbpf calls `name`; `None` for those that each version has for itself.
pub(crate) fn map_file(name: &str) -> Option<&str> {
    match name.rsplit_once('.') {
        None => Some(name),
        Some((_, "bss")) => Some(STATE),
        Some(_) => None,
    }
}

impl Pins {
    /// What an earlier daemon left at `path`, locked. Remains of one that died while it pinned hold nothing back: they
    /// are removed.
    pub fn find(path: &Path) -> Result<Option<Self>, KernelError> {
        let Some(pins) = Self::lock(path)? else { return Ok(None) };
        let names = HOOKS.into_iter().chain([RESTORE, KEEPER, STATE]);
        let missing: Vec<&str> = names.filter(|name| !path.join(name).exists()).collect();
        if missing.is_empty() {
            return Ok(Some(pins));
        }
        tracing::warn!("{}: incomplete, {} missing: removed", path.display(), missing.join(", "));
        remove_pins(path)?;
        Ok(None)
    }

    /// As [`Pins::find`]. What a version of another layout has left is ended first: what it held is let go, its hooks are
    /// detached, and the start is a fresh one. No counts are taken over.
    pub fn find_of_our_layout(path: &Path) -> Result<Option<Self>, KernelError> {
        let Some(pins) = Self::find(path)? else { return Ok(None) };
        let keeper = keeper(path)?;
        if keeper.layout == LAYOUT {
            return Ok(Some(pins));
        }
        drop(pins);
        let ended = end_pinned(path)?.unwrap_or_default();
        tracing::warn!(
            "{}: pinned by halfopen {} with another layout ({}, this version has {LAYOUT}): ended, {} network namespaces \
             missed; nothing is limited until this start is through, and the counts begin anew",
            path.display(),
            version(&keeper),
            keeper.layout,
            ended.namespaces_missed
        );
        Ok(None)
    }

    /// Makes the directory.
    pub fn make(path: &Path) -> Result<Self, KernelError> {
        const BPF_FS_MAGIC: FsWord = 0xcafe_4a11;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let is_bpffs =
            File::open(parent).is_ok_and(|parent| fstatfs(parent).is_ok_and(|fs| fs.f_type == BPF_FS_MAGIC));
        if !is_bpffs {
            return Err(KernelError::NoBpffs { path: parent.to_owned() });
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(doing("making", path, source));
            }
            _ => {}
        }
        Self::lock(path)?.ok_or_else(|| doing("locking", path, io::ErrorKind::NotFound.into()))
    }

    fn lock(path: &Path) -> Result<Option<Self>, KernelError> {
        let dir = match File::open(path) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(doing("opening", path, source)),
        };
        match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let mountinfo = Path::new("/proc/self/mountinfo");
                let mounts = File::open(mountinfo).map_err(|source| doing("opening", mountinfo, source))?;
                Ok(Some(Self { path: path.to_owned(), dir, mounts }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(KernelError::PinsInUse { path: path.to_owned() }),
            Err(e) => Err(doing("locking", path, e.into())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the links are still there, those of the `optional` hooks too that are attached now. Asked of the descriptor and not of the path, nor of one opened by it: a daemon
    /// that has given up its rights may open neither. What cannot be asked counts as there.
    pub fn hold(&self, optional: impl Iterator<Item = &'static str>) -> bool {
        let links: Vec<&str> = HOOKS.into_iter().chain(optional).collect();
        let names = || -> io::Result<usize> {
            let mut dir = Dir::new(self.dir.try_clone()?)?;
            // The clone shares the position that the last look has left at the end.
            dir.rewind();
            let is_link = |name: &[u8]| links.iter().any(|link| name == link.as_bytes());
            let mut found = 0;
            while let Some(entry) = dir.read().transpose()? {
                found += usize::from(is_link(entry.file_name().to_bytes()));
            }
            Ok(found)
        };
        names().map_or(true, |found| found == links.len())
    }

    /// Whether the file system they are in is mounted still. Once it is not, only the open directory keeps it; the path
    /// leads elsewhere then, and its owner's rights to that may be gone.
    pub fn is_mounted(&self) -> io::Result<bool> {
        let here = statx(&self.dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id.to_string();
        let mut mounts = String::new();
        (&self.mounts).rewind()?;
        (&self.mounts).read_to_string(&mut mounts)?;
        Ok(mounts.lines().any(|line| line.split(' ').next() == Some(&here)))
    }

    /// What the last daemon left, of this version's layout.
    pub fn keeper(&self) -> Result<types::keeper, KernelError> {
        let keeper = keeper(&self.path)?;
        if keeper.layout == LAYOUT {
            return Ok(keeper);
        }
        Err(KernelError::OtherLayout {
            path: self.path.clone(),
            version: version(&keeper),
            theirs: keeper.layout,
            ours: LAYOUT,
        })
    }
}

/// The version that the daemon behind `keeper` had.
pub(crate) fn version(keeper: &types::keeper) -> String {
    let bytes: Vec<u8> =
        keeper.version.iter().map(|&byte| byte.cast_unsigned()).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn keeper(path: &Path) -> Result<types::keeper, KernelError> {
    let file = path.join(KEEPER);
    let map = MapHandle::from_pinned_path(&file)
        .map_err(|error| bpf(&format!("opening {}", file.display()), error))?;
    let bytes = map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY);
    let bytes =
        bytes.map_err(|error| bpf(&format!("reading {}", file.display()), error))?.unwrap_or_default();
    // The first words are the same in every layout.
    let mut whole = bytes.clone();
    whole.resize(size_of::<types::keeper>().max(bytes.len()), 0);
    plain::read(&whole).ok_or_else(|| KernelError::Lacks(format!("{} is of an unknown form", file.display())))
}

/// Ends a limit that has outlived its daemon: lets all held attempts go and removes the pins. `None` where there are
/// none. The pins of any version can be ended.
///
/// # Errors
/// [`KernelError::PinsInUse`] while a daemon has them; where they cannot be removed.
pub fn end_pinned(path: &Path) -> Result<Option<EnforcementStopped>, KernelError> {
    let Some(pins) = Pins::lock(path)? else { return Ok(None) };
    let ours = keeper(path).is_ok_and(|keeper| keeper.layout == LAYOUT);
    let state = pins.file(STATE);
    let switched_off =
        ours && switch_off(&state).inspect_err(|error| tracing::warn!("{}", error.in_full())).is_ok();
    if !switched_off {
        // Attached still, they would hold again what the walk has let go.
        let optional = OptionalHook::ALL.into_iter().map(OptionalHook::name);
        HOOKS.into_iter().chain(optional).try_for_each(|hook| remove_pin(&pins.file(hook)))?;
    }
    let mut stopped = match Link::open(pins.file(RESTORE)) {
        Ok(restore) => restore_everywhere(restore.as_fd()),
        Err(error) => {
            tracing::warn!("held attempts keep the options of a hold: opening {RESTORE}: {error:#}");
            EnforcementStopped::default()
        }
    };
    if ours {
        stopped.let_go = let_go(&state);
    }
    remove_pins(path)?;
    Ok(Some(stopped))
}

pub(crate) fn remove_pin(file: &Path) -> Result<(), KernelError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(doing("removing", file, source)),
        _ => Ok(()),
    }
}

/// How many attempts the walk has let go.
fn let_go(state: &Path) -> u64 {
    let at = offset_of!(types::bss, options_restored);
    let map = MapHandle::from_pinned_path(state).ok();
    let bytes = map.and_then(|map| map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY).ok().flatten());
    let count = bytes.and_then(|bytes| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes));
    count.unwrap_or(0)
}

/// Writes mode `off` into both policies, so that nothing new is held while options are restored.
fn switch_off(state: &Path) -> Result<(), KernelError> {
    const OFF: u32 = 2;
    let mode = offset_of!(types::bss, policies) + offset_of!(types::policy, mode);
    let failed = |error| bpf(&format!("switching off in {}", state.display()), error);
    let map = MapHandle::from_pinned_path(state).map_err(failed)?;
    let key = 0_u32.to_ne_bytes();
    let mut bytes = map.lookup(&key, MapFlags::ANY).map_err(failed)?.unwrap_or_default();
    for at in [mode, mode + size_of::<types::policy>()] {
        if let Some(word) = bytes.get_mut(at..at + 4) {
            word.copy_from_slice(&OFF.to_ne_bytes());
        }
    }
    map.update(&key, &bytes, MapFlags::ANY).map_err(failed)
}

/// Removes the directory and all that is pinned there.
///
/// # Errors
/// Where it is not permitted.
pub fn remove_pins(path: &Path) -> Result<(), KernelError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(doing("removing", path, source)),
        _ => Ok(()),
    }
}

fn doing(what: &str, path: &Path, source: io::Error) -> KernelError {
    KernelError::Bpf { doing: format!("{what} {}", path.display()), source }
}
