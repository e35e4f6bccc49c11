//! The user-space half of the two peers that use NFQUEUE. It says `ready` on stdout, and ends when stdin is closed.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use halfopen_bench::peers::queue::{Fifo, VirusThrottle, serve};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    discipline: Discipline,
}

#[derive(Subcommand)]
enum Discipline {
    /// First in, first out, so many SYNs a second after a burst.
    Fifo {
        #[arg(long, default_value_t = 10.0)]
        per_second: f64,
        #[arg(long, default_value_t = 5)]
        burst: u32,
        #[arg(long, default_value_t = 10_000)]
        queue: usize,
    },
    /// One host that is not in the working set at a time.
    VirusThrottle {
        #[arg(long, default_value_t = 5)]
        working_set: usize,
        #[arg(long, default_value_t = 1_000)]
        delay_ms: u64,
        #[arg(long, default_value_t = 200)]
        queue: usize,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().discipline {
        Discipline::Fifo { per_second, burst, queue } => serve(&mut Fifo::new(per_second, burst, queue)),
        Discipline::VirusThrottle { working_set, delay_ms, queue } => {
            serve(&mut VirusThrottle::new(working_set, Duration::from_millis(delay_ms), queue))
        }
    }
}
