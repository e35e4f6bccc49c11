//! Has one connection, and does with it as the lines of JSON on its stdin say. Made to be killed at any moment.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use testkit::endings::{receive, serve, share};

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("share") => share(),
        Some("receive") => receive(),
        _ => serve(io::stdin().lock(), io::stdout()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-socket: {error}");
            ExitCode::FAILURE
        }
    }
}
