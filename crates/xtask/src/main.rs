//! What the Makefile's targets need besides cargo: `xtask --help`.

mod lanes;
mod package;
mod reference;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the lanes of tests, and writes what a package ships beside the program and the pages of docs/reference
#[derive(Parser)]
enum Task {
    /// Build all tests and run those of a lane, several at a time
    Test(lanes::Arguments),
    /// Write manual, completions and first configuration
    PackageFiles {
        /// Where to
        directory: PathBuf,
    },
    /// Write the pages of docs/reference
    Reference,
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Test(arguments) => lanes::run(&arguments),
        Task::PackageFiles { directory } => package::write_files(&directory).map(|()| ExitCode::SUCCESS),
        Task::Reference => reference::write().map(|()| ExitCode::SUCCESS),
    }
}
