use std::path::{Path, PathBuf};

/// The small program of this name in `programs/`: a script for python3, or a kernel program's source.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
}
