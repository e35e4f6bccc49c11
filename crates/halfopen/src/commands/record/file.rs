//! Where a recording is written.

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, ftruncate};
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The name that stands for standard output.
pub const STDOUT: &str = "-";

/// A file, or standard output.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    to: BufWriter<fs::File>,
}

impl File {
    /// Makes the file, for nobody but its owner. One that is there is written over only with `overwrite`.
    ///
    /// # Errors
    /// If it is there, or cannot be made; if standard output is a terminal.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let file: fs::File = if path == Path::new(STDOUT) {
            if io::stdout().is_terminal() {
                bail!(
                    "a recording is no text for a terminal: name a file with -o, or send standard output elsewhere"
                );
            }
            io::stdout().as_fd().try_clone_to_owned()?.into()
        } else {
            Self::made(path, overwrite)?
        };
        Ok(Self { path: path.to_owned(), to: BufWriter::new(file) })
    }

    fn made(path: &Path, overwrite: bool) -> Result<fs::File> {
        let owner = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let flags = flags | if overwrite { OFlags::empty() } else { OFlags::EXCL };
        let failed = || format!("cannot record to {}", path.display());
        match rustix::fs::open(path, flags, owner) {
            Err(rustix::io::Errno::EXIST) => {
                bail!("{} is there already: name another file with -o, or give --overwrite", path.display())
            }
            made => {
                let file = fs::File::from(made.with_context(failed)?);
                if !file.metadata()?.is_file() {
                    bail!(
                        "cannot record to {}: it is no file; -o - writes to standard output",
                        path.display()
                    );
                }
                // One that was there may have been readable for others.
                rustix::fs::fchmod(&file, owner).with_context(failed)?;
                ftruncate(&file, 0).with_context(failed)?;
                Ok(file)
            }
        }
    }

    /// What failed, for a message.
    pub fn failed(&self) -> String {
        format!(
            "cannot write the recording to {}; what was written before can be replayed",
            self.path.display()
        )
    }

    /// Hands all on to the disk, if it is one.
    pub fn sync(&mut self) -> io::Result<()> {
        self.to.flush()?;
        match self.to.get_ref().sync_all() {
            // A pipe.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
