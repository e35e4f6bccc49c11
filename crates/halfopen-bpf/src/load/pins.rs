//! What outlives its daemon: links and maps, pinned in a directory of the BPF file system of their own.
//! Removing that directory ends the limit, because the daemon keeps no descriptors of the links.

use crate::abi;
use crate::abi::{LAYOUT, plain};
use crate::error::{KernelError, bpf};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use rustix::fs::{AtFlags, Dir, FlockOperation, FsWord, StatxFlags, flock, fstatfs, statx};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directory of the pins, unless another one is named.
pub const PINS: &str = "/sys/fs/bpf/halfopen";

/// The links of the hooks, in the order in which they are attached. Egress comes first, so that what
/// `sock_ops` queues is held from its first SYN on.
pub(crate) const HOOKS: [&str; 6] =
    ["egress", "setsockopt", "getsockopt", "sock_ops", "connect4", "connect6"];
/// The link of the walk that gives held sockets their own options back. Any version can read it, whatever the
/// layout.
pub(crate) const RESTORE: &str = "restore";
const KEEPER: &str = "keeper";
/// The file of the map of the global variables (bpffs reserves names with a dot).
pub(crate) const STATE: &str = "state";

/// The directory, locked.
#[derive(Debug)]
pub(crate) struct Pins {
    path: PathBuf,
    dir: File,
    /// `/proc/self/mountinfo`, kept open: this process may not be able to open it later.
    mounts: File,
}

/// The file name of the map that libbpf calls `name`; `None` for maps that each version has for itself.
pub(crate) fn map_file(name: &str) -> Option<&str> {
    match name.rsplit_once('.') {
        None => Some(name),
        Some((_, "bss")) => Some(STATE),
        Some(_) => None,
    }
}

impl Pins {
    /// Finds and locks what an earlier daemon left at `path`. Incomplete remains, of a daemon that died while
    /// it pinned, hold nothing back and are removed.
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

    /// Makes and locks the directory.
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

    pub fn lock(path: &Path) -> Result<Option<Self>, KernelError> {
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

    /// Whether the links are still there, also those of the `optional` hooks that are attached now. The open
    /// directory is read, not its path: a daemon that has given up its rights may not open that. If it cannot
    /// be read, the links count as there.
    pub fn hold(&self, optional: impl Iterator<Item = &'static str>) -> bool {
        let links: Vec<&str> = HOOKS.into_iter().chain(optional).collect();
        let names = || -> io::Result<usize> {
            let mut dir = Dir::new(self.dir.try_clone()?)?;
            // The clone shares the read position, which the last look left at the end.
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

    /// Whether the file system of the pins is still mounted. Once it is not, only the open directory keeps it
    /// alive; the path then leads elsewhere, where this process may have no rights.
    pub fn is_mounted(&self) -> io::Result<bool> {
        let here = statx(&self.dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id.to_string();
        let mut mounts = String::new();
        (&self.mounts).rewind()?;
        (&self.mounts).read_to_string(&mut mounts)?;
        Ok(mounts.lines().any(|line| line.split(' ').next() == Some(&here)))
    }

    /// What the last daemon left; an error if its layout is not this version's.
    pub fn keeper(&self) -> Result<abi::keeper, KernelError> {
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

/// The version of the daemon behind `keeper`.
pub(crate) fn version(keeper: &abi::keeper) -> String {
    abi::text(&keeper.version)
}

pub(crate) fn keeper(path: &Path) -> Result<abi::keeper, KernelError> {
    let file = path.join(KEEPER);
    let map = MapHandle::from_pinned_path(&file)
        .map_err(|error| bpf(&format!("opening {}", file.display()), error))?;
    let bytes = map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY);
    let bytes =
        bytes.map_err(|error| bpf(&format!("reading {}", file.display()), error))?.unwrap_or_default();
    // The first members are the same in every layout.
    let mut whole = bytes.clone();
    whole.resize(size_of::<abi::keeper>().max(bytes.len()), 0);
    plain::read(&whole).ok_or_else(|| KernelError::Lacks(format!("{} is of an unknown form", file.display())))
}

pub(crate) fn remove_pin(file: &Path) -> Result<(), KernelError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(doing("removing", file, source)),
        _ => Ok(()),
    }
}

/// Removes the directory and all that is pinned there. Succeeds if there is none.
///
/// # Errors
/// If the directory cannot be removed.
pub fn remove_pins(path: &Path) -> Result<(), KernelError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(doing("removing", path, source)),
        _ => Ok(()),
    }
}

fn doing(what: &str, path: &Path, source: io::Error) -> KernelError {
    KernelError::Bpf { doing: format!("{what} {}", path.display()), source }
}
