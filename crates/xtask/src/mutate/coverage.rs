//! Which lines of the headers a test program runs: no other program can notice a change there.

use super::mutants::Mutant;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// For each line with code, whether a program ran it.
#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<String, BTreeMap<u64, bool>>);

impl Coverage {
    /// Takes what the last program wrote in the directory of a library that was compiled for it.
    pub fn take(directory: &Path) -> Result<Self> {
        let named = |ending: &str| {
            let files = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
            files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == ending))
        };
        let Some(counts) = named("gcda") else { return Ok(Self::default()) };
        let mut gcov = Command::new("gcov");
        let output = gcov.args(["--stdout", "--json-format"]).arg(counts.file_name().unwrap_or_default());
        let output = output.current_dir(directory).output().context("running gcov, which comes with gcc")?;
        ensure!(output.status.success(), "gcov: {}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(&counts).with_context(|| format!("removing {}", counts.display()))?;
        let read: Value = serde_json::from_slice(&output.stdout).context("reading what gcov says")?;
        let mut coverage = Self::default();
        for file in read["files"].as_array().into_iter().flatten() {
            let lines = coverage.0.entry(file["file"].as_str().unwrap_or_default().to_owned()).or_default();
            for line in file["lines"].as_array().into_iter().flatten() {
                // A function that is inlined in several places has its lines several times.
                *lines.entry(line["line_number"].as_u64().unwrap_or_default()).or_default() |=
                    line["count"] != 0;
            }
        }
        Ok(coverage)
    }

    /// Whether the program may notice this change. A line without code of its own belongs to a statement above it.
    pub fn may_notice(&self, mutant: &Mutant) -> bool {
        let lines = self.0.get(&mutant.file);
        let ran = lines.and_then(|lines| lines.range(..=mutant.line as u64).next_back());
        mutant.in_macro || ran.is_some_and(|(_, ran)| *ran)
    }
}
