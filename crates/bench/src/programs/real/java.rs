//! A client in Java, with the class library's HTTP client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::go::{built_once, fetch};
use crate::programs::program::Program;
use crate::programs::site::prepare;

pub const CLIENT: Program = Program {
    name: "java",
    asked: "java.net.http: the same, with ten seconds for a connection; the time has the start of the virtual machine",
    unit: "files",
    wan: true,
    prepare: |lab| {
        let classes = built_once(&BUILT, "java", build)?.display().to_string();
        fetch(lab, ["java", "-cp", &classes, "Client"].map(str::to_owned).to_vec())
    },
};

static BUILT: OnceLock<PathBuf> = OnceLock::new();

fn build(directory: &Path) -> Result<()> {
    fs::write(directory.join("Client.java"), include_str!("Client.java")).context("writing Client.java")?;
    prepare(Command::new("javac").arg("Client.java").current_dir(directory)).map(drop)
}
