//! The headers as a library, one of them changed.

use super::mutants::Mutant;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the headers are.
pub const HEADERS: &str = "crates/halfopen-bpf/bpf";
const SOURCE: &str = "native.c";
const LIBRARY: &str = "libhalfopen_native.so";
/// Compiles in a fifth of the time that optimized code takes.
const AS_TRIED: [&str; 1] = ["-O0"];
/// Functions that nothing calls are compiled too: changes of them are changes.
const AS_COMPARED: [&str; 3] = ["-O1", "-fkeep-inline-functions", "-fkeep-static-functions"];

/// A copy of the headers and what is compiled of it.
pub struct Library {
    directory: PathBuf,
}

impl Library {
    /// Copies the headers as they are into `directory`, and compiles them.
    pub fn new(directory: PathBuf) -> Result<Self> {
        let library = Self::copied(directory)?;
        ensure!(library.compile(&AS_TRIED)?, "the headers in {HEADERS} do not compile");
        Ok(library)
    }

    /// The same, but each program that uses it writes what it ran.
    pub fn that_counts(directory: PathBuf) -> Result<Self> {
        let library = Self::copied(directory)?;
        ensure!(library.compile(&["-O1", "--coverage"])?, "the headers in {HEADERS} do not compile for gcov");
        Ok(library)
    }

    fn copied(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        for entry in fs::read_dir(HEADERS).with_context(|| format!("reading {HEADERS}"))? {
            let entry = entry.with_context(|| format!("reading {HEADERS}"))?;
            let to = directory.join(entry.file_name());
            fs::copy(entry.path(), &to).with_context(|| format!("writing {}", to.display()))?;
        }
        Ok(Self { directory })
    }

    /// What the dynamic linker has to find it by.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The headers of which the library is made.
    pub fn headers() -> Result<Vec<String>> {
        let list = Command::new("cc").arg("-MM").arg(Path::new(HEADERS).join(SOURCE)).output();
        let list = list.context("asking cc which headers the native part is made of")?;
        ensure!(list.status.success(), "cc does not know which headers {HEADERS}/{SOURCE} is made of");
        let text = String::from_utf8_lossy(&list.stdout).into_owned();
        let name = |path: &str| Some(Path::new(path).file_name()?.to_str()?.to_owned());
        // The layout, and what only these tests call, decide nothing.
        let decides =
            |name: &String| ![SOURCE, "abi.h", "native.h", "native.o:", "\\"].contains(&name.as_str());
        Ok(text.split_whitespace().filter_map(name).filter(decides).collect())
    }

    /// Compiles the headers with this change. Returns whether they compile.
    pub fn change(&self, mutant: &Mutant) -> Result<bool> {
        self.compile_changed(mutant, &AS_TRIED)
    }

    /// The optimized code of the headers as they are.
    pub fn optimized(&self) -> Result<Vec<u8>> {
        ensure!(self.compile(&AS_COMPARED)?, "the headers in {HEADERS} do not compile");
        self.code()
    }

    /// Whether this change leaves the optimized code as it is: no test can tell.
    pub fn is_same(&self, mutant: &Mutant, optimized: &[u8]) -> Result<bool> {
        Ok(self.compile_changed(mutant, &AS_COMPARED)? && self.code()? == optimized)
    }

    /// Puts the file back afterwards.
    fn compile_changed(&self, mutant: &Mutant, options: &[&str]) -> Result<bool> {
        let header = self.directory.join(&mutant.file);
        let was = fs::read(&header).with_context(|| format!("reading {}", header.display()))?;
        let write =
            |text: &[u8]| fs::write(&header, text).with_context(|| format!("writing {}", header.display()));
        write(mutant.source.as_bytes())?;
        let compiles = self.compile(options);
        write(&was)?;
        compiles
    }

    /// The library itself.
    fn code(&self) -> Result<Vec<u8>> {
        let path = self.directory.join(LIBRARY);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Whether the headers compile.
    fn compile(&self, options: &[&str]) -> Result<bool> {
        let mut cc = Command::new("cc");
        cc.args(options).args(["-w", "-shared", "-fPIC", SOURCE, "-o", LIBRARY]).current_dir(&self.directory);
        Ok(cc.output().context("running cc")?.status.success())
    }
}
