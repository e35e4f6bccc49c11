//! The arguments of commands that have many.

use super::values::{interface, network, since, size, trial_time};
use crate::config;
use crate::tuning::connections::ConnectionLimit;
use crate::utc_time::UtcTime;
use clap::Args;
use halfopen_replay::assertion::{Assertion, METRICS, SUSPECTS};
use ipnet::IpNet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file; conf.d beside it is read too
    #[arg(
        long,
        value_name = "FILE",
        help = format!("The configuration file [default: {}]; conf.d beside it is read too", config::DEFAULT_FILE)
    )]
    pub config: Option<PathBuf>,
    /// Limit only what runs below this cgroup
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Override a configuration key; can be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The arguments of `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// End after this long, from 1s to 24h [default: at Ctrl-C]
    #[arg(long = "for", value_name = "T", value_parser = trial_time)]
    pub time: Option<Duration>,
    /// End when the file has this size: bytes, or with K, M or G; 4K at least
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64M")]
    pub max_size: u64,
    /// Write over a file that is there
    #[arg(long)]
    pub overwrite: bool,
    /// The file, which only its owner may read; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "halfopen.trace")]
    pub output: PathBuf,
}

/// The arguments of `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// A preset, or a configuration file; can be given more than once [default: adaptive]
    #[arg(long = "policy", value_name = "POLICY")]
    pub policies: Vec<OsString>,
    /// Only attempts from this network; can be given more than once
    #[arg(long = "source", value_name = "NET", value_parser = network)]
    pub sources: Vec<IpNet>,
    /// Also say which half_open of the first policy the recordings ask for; replays some fifteen policies beside
    #[arg(long)]
    pub advise: bool,
    /// Also plot how the waits are spread, for each policy
    #[arg(long, conflicts_with = "json")]
    pub plot: bool,
    /// The same as pictures.
    #[command(flatten)]
    pub pictures: Pictures,
    /// Exit with code 1 unless this holds for every policy; can be given more than once
    #[arg(long = "assert", value_name = "CONDITION")]
    pub assertions: Vec<Assertion>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The recordings; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// The arguments of `tune`.
#[derive(Debug, Args)]
pub struct Tune {
    /// A scope, as `halfopen status` shows it [default: host]
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// From this time on: RFC 3339, a date, or how long ago, such as 1d [default: 7d]
    #[arg(long, value_name = "T", value_parser = since)]
    pub since: Option<UtcTime>,
    /// A limit on connections to look at too, though it may not be set
    #[arg(long, value_name = "LIMIT")]
    pub limit: Option<ConnectionLimit>,
    /// Raise half_open towards what is recommended, step by step, and save what it comes to; needs root
    #[arg(long)]
    pub apply: bool,
    /// How long each step is watched, from 1s to 24h
    #[arg(long, value_name = "T", value_parser = trial_time, default_value = "10m", requires = "apply")]
    pub watch: Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `enforce`.
#[derive(Debug, Args)]
pub struct Enforce {
    /// Enforce from now on for this long, from 1s to 24h
    #[arg(long = "for", value_name = "T", value_parser = trial_time, group = "order")]
    pub time: Option<Duration>,
    /// Keep enforcing; without `--save`, until SIGHUP or until the daemon ends
    #[arg(long, group = "order")]
    pub confirm: bool,
    /// Return to the previous mode now
    #[arg(long, group = "order")]
    pub cancel: bool,
    /// Also save the mode to conf.d/90-local.toml beside the configuration file
    // `requires` alone is not enough: clap waives it when the required argument conflicts with a given one.
    #[arg(long, requires = "confirm", conflicts_with_all = ["time", "cancel"])]
    pub save: bool,
}

/// The arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// A built-in scenario, or a file that ends in .toml; without it, the built-in ones are listed
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// How often each case is run; the band is that of 95 % of the runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: u32,
    /// What all random numbers come from: the same seed repeats a study, on any number of threads
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which engine: by the rates of one host, or every attempt through the policy, for 20,000 hosts at most
    #[arg(long, value_enum, default_value_t = SimulateEngine::Scaled)]
    pub engine: SimulateEngine,
    /// Threads to use [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print the courses as comma-separated values
    #[arg(long)]
    pub csv: bool,
    /// The courses as pictures.
    #[command(flatten)]
    pub pictures: Pictures,
}

/// The pictures that `replay` and `simulate` draw.
#[derive(Debug, Args)]
pub struct Pictures {
    /// Also draw it to FILE, as SVG
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Also draw it to FILE, as PNG of twice the size, with a font of the system
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
}

/// The engines of `simulate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SimulateEngine {
    /// By the rates at which one host lets contacts out
    Scaled,
    /// Every attempt of every host goes through the policy
    Exact,
}

impl From<SimulateEngine> for halfopen_sim::study::EngineKind {
    fn from(engine: SimulateEngine) -> Self {
        match engine {
            SimulateEngine::Scaled => Self::Scaled,
            SimulateEngine::Exact => Self::Exact,
        }
    }
}

/// The arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The file, in UTF-16LE with a byte order mark or in UTF-8
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration file beside whose conf.d the limits are saved
    #[arg(
        long,
        value_name = "FILE",
        help = format!("The configuration file [default: {}]; the limits go to conf.d beside it", config::DEFAULT_FILE)
    )]
    pub config: Option<PathBuf>,
    /// Which interface of this host an interface of FILE is; can be given more than once
    #[arg(long = "interface", value_name = "THERE=HERE", value_parser = interface)]
    pub interfaces: Vec<(String, String)>,
    /// Accept a limit of 0xfffffe, or rate limiting that is switched off: no limit at all
    #[arg(long)]
    pub yes_unlimited: bool,
    /// Only print what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON, which says whether anything has changed
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Attempts that may be half-open at once, or unlimited [default: the host's value]
    #[arg(long, value_name = "N")]
    pub half_open: Option<String>,
    /// Attempts released per unit of time, such as 2/s, or unlimited [default: the host's value]
    #[arg(long, value_name = "R")]
    pub drain: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// The end of the help of `replay`.
pub(super) fn after_replay() -> String {
    let mut help = "A CONDITION is METRIC OP NUMBER; OP is <, <=, ==, !=, >= or >. \"Answered\" is meant of the recording. \
                    Metrics:\n"
        .to_owned();
    let suspects = (SUSPECTS, "sources that look like scanners");
    for (name, meaning) in METRICS.iter().map(|metric| (metric.name, metric.meaning)).chain([suspects]) {
        let _ = writeln!(help, "  {name:<26} {meaning}");
    }
    help + "Example: halfopen replay --policy adaptive --policy xp-sp2 yesterday.pcap\n         \
            halfopen replay --policy new.toml --assert 'answered_delayed_over_1s == 0' week/*.pcap\n         \
            halfopen replay --advise monday.trace\n         \
            tcpdump -w - 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 or icmp or icmp6' | halfopen replay -"
}
