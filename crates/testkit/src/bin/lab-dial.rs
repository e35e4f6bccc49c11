//! Dials as the lines of JSON on its stdin say and reports each outcome as one. Made to be run in any namespace and cgroup
//! and to be killed at any moment.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use testkit::dial::{DialError, serve};

fn main() -> ExitCode {
    match serve(io::stdin().lock(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-dial: {error}");
            ExitCode::from(if matches!(error, DialError::NoSpec(..)) { 2 } else { 1 })
        }
    }
}
