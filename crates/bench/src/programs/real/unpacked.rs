//! Programs that `tools/packages` unpacks: installed, they would be started.

use std::fs;
use std::path::{Path, PathBuf};

const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs");

/// The program of this name in a package, or the one that is installed.
pub fn unpacked(package: &str, directory: &str, name: &str) -> PathBuf {
    let unpacked = Path::new(UNPACKED).join(package).join(directory).join(name);
    if unpacked.is_file() { unpacked } else { PathBuf::from(name) }
}

/// The directory of a package's programs that has its version in the names of both: `postgresql-15` has
/// `usr/lib/postgresql/15/bin`.
pub fn unpacked_version(package: &str, parent: &str, directory: &str) -> PathBuf {
    let of_version = |root: &Path| {
        let versions = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
        versions.map(|version| version.path().join(directory)).find(|path| path.is_dir())
    };
    let roots = fs::read_dir(UNPACKED).into_iter().flatten().flatten();
    let mut roots = roots.filter(|root| root.file_name().to_string_lossy().starts_with(package));
    roots.find_map(|root| of_version(&root.path())).or_else(|| of_version(Path::new("/"))).unwrap_or_default()
}
