//! Which tests there are.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A test, or a program of many that are over in a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// The file to run.
    pub executable: PathBuf,
    /// Its package's directory, which tests expect to run in.
    pub directory: PathBuf,
    /// The package and its test program.
    pub package: String,
    pub program: String,
    /// `None` = all of the program.
    pub function: Option<String>,
}

/// It has one test, in a process without threads, and no harness.
const WITHOUT_HARNESS: &str = "sandbox";

const UNIT_TESTS: &str = "unit tests";

impl Test {
    pub fn name(&self) -> String {
        let Self { package, program, .. } = self;
        self.function
            .as_ref()
            .map_or_else(|| format!("{package} {program}"), |test| format!("{package} {program} {test}"))
    }
}

/// Builds all and lists them.
pub fn find() -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for whole in programs(&["--workspace"])? {
        if whole.program == UNIT_TESTS || whole.program == WITHOUT_HARNESS {
            tests.push(whole);
        } else {
            tests.extend(
                names(&whole)?.into_iter().map(|name| Test { function: Some(name), ..whole.clone() }),
            );
        }
    }
    Ok(tests)
}

/// Builds the test programs that `of` tells cargo, and lists them.
pub fn programs(of: &[&str]) -> Result<Vec<Test>> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut build = Command::new(cargo);
    build.arg("test").args(of).args(["--locked", "--no-run", "--message-format", "json-render-diagnostics"]);
    let output = build.stderr(Stdio::inherit()).output().context("running cargo")?;
    ensure!(output.status.success(), "the tests do not build");
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("reading what cargo says")?;
        let Some(executable) = message["executable"].as_str().filter(|_| message["profile"]["test"] == true)
        else {
            continue;
        };
        let manifest = Path::new(message["manifest_path"].as_str().context("an artifact has no manifest")?);
        let directory = manifest.parent().context("a manifest is in no directory")?.to_owned();
        let is_unit =
            message["target"]["kind"].as_array().is_none_or(|kinds| !kinds.contains(&"test".into()));
        let program =
            if is_unit { UNIT_TESTS } else { message["target"]["name"].as_str().unwrap_or_default() };
        programs.push(Test {
            executable: executable.into(),
            package: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            directory,
            program: program.to_owned(),
            function: None,
        });
    }
    Ok(programs)
}

fn names(program: &Test) -> Result<Vec<String>> {
    let mut list = Command::new(&program.executable);
    let output = list.args(["--list", "--format", "terse"]).current_dir(&program.directory).output();
    let output = output.with_context(|| format!("listing the tests of {}", program.executable.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
