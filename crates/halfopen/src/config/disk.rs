//! Reads the files of a configuration, with the rights of this process or through one that may read them.

use super::container_files::ContainerFiles;
use super::containers::Containers;
use crate::users;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file that says which services resolve names on this host.
pub const NSSWITCH: &str = "/etc/nsswitch.conf";
/// The system files that a configuration may need.
const SYSTEM_FILES: [&str; 3] = [super::resolvers::FILES[0], super::resolvers::FILES[1], NSSWITCH];

/// Reads the files of a configuration.
pub trait Disk {
    /// The files in a directory, whatever their names; `NotFound` if there is no such directory.
    ///
    /// # Errors
    /// The file system's.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The file system's.
    fn open(&mut self, path: &Path) -> io::Result<File>;

    /// The cgroups of the running containers that are `wanted`.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn containers(&mut self, wanted: &Containers) -> io::Result<Vec<String>> {
        Ok(ContainerFiles::default().cgroups_of(wanted))
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// The file system's.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The file system, with the rights of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnRights;

impl Disk for OwnRights {
    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        File::open(path)
    }
}

/// Whether `path` may be part of the configuration whose main file is `config`.
#[must_use]
pub fn is_part_of(config: &Path, path: &Path) -> bool {
    let beside = path.parent() == Some(super::conf_d(config).as_path()) && is_layer(path);
    path == config
        || path == Path::new(users::FILE)
        || beside
        || SYSTEM_FILES.iter().any(|file| path == Path::new(file))
}

/// Whether a file of conf.d is read. Editors and `save` give their unfinished files names that begin with a dot.
#[must_use]
pub fn is_layer(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_a_configuration_is_part_of_it() {
        let part = |path| is_part_of(Path::new("/etc/halfopen/halfopen.toml"), Path::new(path));
        for path in [
            "/etc/halfopen/halfopen.toml",
            "/etc/halfopen/conf.d/90-local.toml",
            users::FILE,
            "/etc/resolv.conf",
        ] {
            assert!(part(path), "{path}");
        }
        for path in [
            "/etc/shadow",
            "/etc/halfopen/other.toml",
            "/etc/halfopen/conf.d/.unfinished.toml",
            "/etc/halfopen/conf.d/key.pem",
            "/etc/halfopen/conf.d/../../shadow.toml",
            "/etc/halfopen/conf.d/a/b.toml",
        ] {
            assert!(!part(path), "{path}");
        }
    }
}
