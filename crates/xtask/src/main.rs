//! `xtask package-files DIRECTORY`: writes what a package ships beside the program. All of it follows from the
//! program's own definitions, and none of it is in the program.

mod completions;
mod first_config;
mod manual;

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let task = arguments.next();
    let (Some("package-files"), Some(directory), None) =
        (task.as_deref().and_then(OsStr::to_str), arguments.next(), arguments.next())
    else {
        eprintln!("usage: xtask package-files DIRECTORY");
        return ExitCode::from(2);
    };
    match write_all(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &OsStr) -> Result<()> {
    let directory = Path::new(directory);
    manual::write(&made(directory, "man")?)?;
    completions::write(&made(directory, "completions")?)?;
    put(&directory.join(first_config::NAME), &first_config::text()?)
}

/// Makes `name` below `directory` anew, so that nothing of an earlier version is in it.
fn made(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = directory.join(name);
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("emptying {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

fn put(path: &Path, text: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
