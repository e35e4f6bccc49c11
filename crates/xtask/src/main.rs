//! What the Makefile's targets need besides cargo: `xtask --help`.

mod lanes;
mod mutate;
mod package;
mod reference;
mod tour;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the lanes of tests, tests the tests, takes the tour, and writes docs/reference and what a package ships beside the
/// program
#[derive(Parser)]
enum Task {
    /// Build all tests and run those of a lane, several at a time
    Test(lanes::Arguments),
    /// Change the headers that decide, and look whether a test of the policy notices
    #[command(subcommand)]
    Mutate(mutate::What),
    /// Write manual, documents and first configuration
    PackageFiles {
        /// Where to
        directory: PathBuf,
    },
    /// Write the pages of docs/reference
    Reference,
    /// Show the program at work, in a network without a route out
    Tour {
        /// A page whose transcript is to be this one
        #[arg(long, value_name = "PAGE")]
        write: Option<PathBuf>,
    },
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Test(arguments) => lanes::run(&arguments),
        Task::Mutate(mutate::What::Headers(arguments)) => mutate::run(&arguments),
        Task::PackageFiles { directory } => package::write_files(&directory).map(|()| ExitCode::SUCCESS),
        Task::Tour { write } => tour::run(write.as_deref()),
        Task::Reference => reference::write().map(|()| ExitCode::SUCCESS),
    }
}
