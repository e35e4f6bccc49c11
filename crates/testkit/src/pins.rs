use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FsWord, fstatfs};
use rustix::mount::{MountFlags, mount};

use crate::LabError;
use crate::tag::Tag;

const BPF_FS: &str = "/sys/fs/bpf";
const BPF_FS_MAGIC: FsWord = 0xcafe_4a11;

/// The directory of the BPF file system where a lab's limiters pin what outlives them. Removed when dropped, which
/// ends what is still pinned there.
#[derive(Debug)]
pub(crate) struct Pins {
    path: PathBuf,
}

impl Pins {
    pub fn named(tag: Tag) -> Self {
        Self { path: Path::new(BPF_FS).join(tag.name("pins")) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Mounts the BPF file system where it is missing.
pub(crate) fn mount_bpf_fs() -> Result<(), LabError> {
    let is_there =
        fs::File::open(BPF_FS).is_ok_and(|dir| fstatfs(&dir).is_ok_and(|fs| fs.f_type == BPF_FS_MAGIC));
    if is_there {
        return Ok(());
    }
    mount("bpf", BPF_FS, "bpf", MountFlags::empty(), None)
        .map_err(LabError::errno(format!("mount the BPF file system at {BPF_FS}")))
}

/// Removes what labs of processes that have ended left pinned.
pub(crate) fn sweep() {
    for entry in fs::read_dir(BPF_FS).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(Tag::of).is_some_and(Tag::is_orphan) {
            remove(&entry.path());
        }
    }
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "pins not removed");
        }
        _ => {}
    }
}
