//! Measures halfopen on the running kernel, with real programs in labs of their own: `halfopen-bench --help`.

#![forbid(unsafe_code)]

mod comparison;
mod connections;
mod kernel;
mod programs;
mod results;
mod workloads;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use testkit::Lab;

/// Measures halfopen on the running kernel, in network namespaces without a route out
#[derive(Parser)]
enum Command {
    /// What the limiter costs, and how exactly it keeps its rates (docs/measurements/benchmarks.md)
    Kernel {
        /// The measurements; all where none is named
        measurements: Vec<String>,
    },
    /// What limiters do to scanners and to everybody else (docs/measurements/benchmarks.md)
    Workloads(workloads::Arguments),
    /// What else limits connections on Linux, by the same workloads (docs/measurements/comparison.md)
    Peers(comparison::Arguments),
    /// What else limits the connections of a tenant (docs/measurements/connections.md)
    Connections(connections::Arguments),
    /// What users of real programs see (docs/measurements/real-programs.md)
    Programs(programs::Arguments),
    /// A process of `kernel`: connects, accepts and closes
    #[command(hide = true)]
    Connector {
        /// The namespaces that listen and dial, and the address
        arguments: Vec<String>,
    },
    /// A process of `kernel`: computes and counts how far it gets
    #[command(hide = true)]
    Spinner {
        /// For how many milliseconds
        time_ms: u64,
    },
}

fn main() -> Result<ExitCode> {
    let command = Command::parse();
    let labs = match command {
        Command::Connector { arguments } => {
            return kernel::connector::serve(&arguments).map(|()| ExitCode::SUCCESS);
        }
        Command::Spinner { time_ms } => return kernel::spinner::spin(time_ms).map(|()| ExitCode::SUCCESS),
        Command::Programs(_) | Command::Connections(_) => Lab::page_available(),
        _ => Lab::wan_available(),
    };
    if !Lab::required(labs) {
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        Command::Kernel { measurements } => kernel::run(&measurements),
        Command::Workloads(arguments) => workloads::run(arguments),
        Command::Peers(arguments) => comparison::run(arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Programs(arguments) => programs::run(&arguments),
        Command::Connector { .. } | Command::Spinner { .. } => unreachable!("they have returned"),
    }
}
