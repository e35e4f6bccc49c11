//! `halfopen`: limits the half-open outbound TCP connections of this host.

use clap::Parser;
use halfopen::cli::Cli;
use halfopen::{commands, exit, output};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.and_then(|filter| filter.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    // https://no-color.org: any value but the empty one. clap asks for it by itself.
    let wants_no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stderr().is_terminal() && !wants_no_colour;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(filter).with(lines).init();
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
