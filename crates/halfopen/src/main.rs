//! `halfopen`: limits the half-open outbound TCP connections of this host.

use clap::Parser;
use halfopen::cli::Cli;
use halfopen::{commands, exit, output};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // https://no-color.org: any value but the empty one. clap asks for it by itself.
    let wants_no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stderr().is_terminal() && !wants_no_colour;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match commands::run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = exit::code(&error);
            if code != 0 {
                output::error_line(&format!("halfopen: {}", exit::explained(&error)));
            }
            ExitCode::from(code)
        }
    }
}
