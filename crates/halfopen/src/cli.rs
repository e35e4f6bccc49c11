//! The command line.

use crate::commands::replay;
use crate::config::{Preset, Words};
use crate::control::{AccountName, Inspected, Subject};
use crate::dashboard::Serves;
use crate::exit::WrongUse;
use crate::history_reader::Reads;
use crate::otlp::Sends;
use crate::privileged::Reach;
use crate::privileged::serving::Turn;
use crate::recorder::Keeps;
use crate::tuning::connections::ConnectionLimit;
use crate::utc_time::UtcTime;
use crate::{config, runtime_dir};
use clap::{Args, Parser, Subcommand};
use halfopen_policy::limits::parse_time;
use halfopen_replay::assertion::Assertion;
use ipnet::IpNet;
use jiff::tz::Offset;
use std::ffi::OsString;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Limits half-open outbound TCP connections; attempts over the limit wait
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 no privilege or no kernel\n\
    support (`halfopen doctor` shows what is missing).\n\
    Example: halfopen doctor                  # does it work on this host?\n         \
             halfopen run --set mode=audit    # count, and hold nothing\n         \
             halfopen report                  # what would have waited")]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Limit this host until SIGINT, SIGTERM or `halfopen off`
    ///
    /// Runs in the foreground. Prints one line with the word `ready` on standard error once the limit is in force.
    ///
    /// SIGHUP makes the daemon read its files again. It keeps values given by `--set`, and drops values that
    /// `halfopen set` changed without `--save`; the log names each. If a file has a mistake, nothing changes.
    #[command(after_help = format!(
        "{} sets the directory for the lock and the control socket, instead of /run/halfopen.\n\
         {} sets the directory for events and counts, instead of /var/lib/halfopen.\n\
         Example: halfopen run --config /etc/halfopen/halfopen.toml --set mode=audit",
        runtime_dir::VARIABLE, runtime_dir::STATE_VARIABLE))]
    Run(Run),
    /// The part of `run` that keeps root; `run` starts it
    #[command(hide = true)]
    Helper {
        /// What it may touch
        #[command(flatten)]
        reach: Reach,
        /// Answer the daemon; without this, start a process that does and restart it when it ends
        #[arg(long, value_name = "TURN")]
        serve: Option<Turn>,
    },
    /// The part of `run` that writes the history; `run` starts it
    #[command(hide = true)]
    Recorder(Keeps),
    /// The part of `run` that serves the dashboard; `run` starts it
    #[command(hide = true)]
    DashboardServer(Serves),
    /// The part of `run` that sends events to a collector; `run` starts it
    #[command(hide = true)]
    OtlpExporter(Sends),
    /// The part of `run` that reads the history for clients; `run` starts it
    #[command(hide = true)]
    HistoryReader(Reads),
    /// Print what a shell can complete the last of these words to
    #[command(hide = true)]
    Complete {
        /// The words after the program's name
        #[arg(last = true)]
        words: Vec<OsString>,
    },
    /// Let every held attempt go and stop the daemon
    ///
    /// If no daemon runs, removes what a killed daemon left behind and says so.
    #[command(after_help = "Example: halfopen off")]
    Off,
    /// Show what is held now, and the counts so far
    ///
    /// Lines fit 80 columns: long names lose their middle. `--json` has them in full.
    #[command(
        after_help = "Example: halfopen status --json | jq .host.queued\n         halfopen status --watch"
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print again every two seconds until Ctrl-C; on a terminal, in the same place
        #[arg(long)]
        watch: bool,
    },
    /// Watch accounts on the whole terminal, and act on them
    ///
    /// Lists the host, scopes and accounts with what waits, what is half-open, suspects and the rate of attempts, each
    /// second. Keys filter and sort the list, show one account's programs and destinations, release or block an account, and
    /// change a limit: each asks first and says what will happen. `?` shows the keys. NO_COLOR leaves colours out.
    #[command(after_help = "Example: halfopen top")]
    Top,
    /// Show recent events: limits reached, suspects, refused connections
    ///
    /// Event 4226: an attempt had to wait because a limit was reached. 4227: most first contacts of an account failed.
    /// 4228: a deny rule matched. 4229: a limit stopped first contacts over UDP. 4230: a limit held connections back.
    /// Each has a page: halfopen-event-4226(7) to 4230. Events from before a stop or a reboot are shown too, also while
    /// no daemon runs: the last 1,000, and with `--since` or `--account` as many as the history has.
    #[command(after_help = "Example: halfopen events --since 10m --follow\n         \
        halfopen events --since 7d --account host")]
    Events {
        /// Keep printing new events as they happen
        #[arg(long)]
        follow: bool,
        /// Print each event as one line of JSON
        #[arg(long)]
        json: bool,
        /// Leave out events before this time: RFC 3339, a date, or how long ago, such as 10m or 7d
        #[arg(long, value_name = "T", value_parser = since)]
        since: Option<UtcTime>,
        /// Only those of this scope or account, as events and `halfopen status` show it, or of its cgroup alone
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
    },
    /// Show how many attempts were half-open and waited, minute by minute
    ///
    /// Reads the history, which the daemon writes to /var/lib/halfopen/history.db; also while no daemon runs. Times are
    /// UTC. Lines fit 80 columns: `--json` has each minute of each account.
    #[command(after_help = "Example: halfopen history\n         \
        halfopen history --since 7d --account 'adaptive[/system.slice/foo.service]'")]
    History {
        /// From this time on: RFC 3339, a date, or how long ago, such as 10m or 7d [default: 1d]
        #[arg(long, value_name = "T", value_parser = since)]
        since: Option<UtcTime>,
        /// Only this scope or account, as events and `halfopen status` show it, or its cgroup alone
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which limit would have delayed whom, and recommend one
    ///
    /// Reads the history: which `half_open` would have delayed at most 1 %, 0.1 % or none of the attempts that were
    /// answered, and what else it would have held. Minutes in which an account was a suspect do not count. Changes nothing
    /// without `--apply`.
    ///
    /// With `--apply` the limit is raised by a quarter, and watched. While attempts still wait, it is raised again, up to
    /// what is recommended. A step that lets a suspect or mostly failing attempts out is undone. The result is saved.
    #[command(
        after_help = "Example: halfopen tune\n         halfopen tune --scope adaptive --since 7d\n         \
        halfopen tune --apply --watch 30m"
    )]
    Tune(Tune),
    /// Name the program that a provider's mail about a scan complains of
    ///
    /// Reads the lines of the mail that have a time, a source and a destination, in whatever order providers write them,
    /// and looks them up in the history: program, unit, container and pod, what was held, and a rule that stops it. Says
    /// which lines it has not used, and what the history cannot know.
    #[command(
        after_help = "Example: halfopen explain abuse.txt\n         halfopen explain --offset +01:00 - < abuse.txt"
    )]
    Explain {
        /// The mail; - stands for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The offset from UTC of times without a zone, such as +01:00 or CET [default: the one that fits best]
        #[arg(long, value_name = "OFFSET", value_parser = offset, allow_hyphen_values = true)]
        offset: Option<Offset>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a one-time address that opens the dashboard
    ///
    /// The dashboard is the web page of the daemon, where `dashboard.listen` says. The address logs a browser in, once and
    /// within five minutes. The session ends after eight hours, when it is logged out, or with the daemon.
    #[command(after_help = "Example: halfopen dashboard")]
    Dashboard,
    /// Print the value in force for a key
    #[command(after_help = "Example: halfopen get host.half_open")]
    Get {
        /// A configuration key, scope.NAME.KEY, interface.NAME.KEY, or TcpNumConnections
        #[arg(value_name = "KEY")]
        name: String,
    },
    /// Change a value while the limit runs
    ///
    /// New attempts are held to the new value at once, waiting attempts at their next re-check. Without `--save`, the
    /// value lasts until SIGHUP or until the daemon ends. Setting the value that is in force changes nothing; `--json` says
    /// whether anything has changed.
    #[command(
        after_help = "Example: halfopen set --save half_open 50\n         halfopen set scope.torrent.drain 1/s\n\
        TcpNumConnections and Interfaces\\NAME\\TcpNumConnections take decimal or 0x hex; 0xfffffe means unlimited."
    )]
    Set {
        /// A configuration key, scope.NAME.KEY, interface.NAME.KEY, or TcpNumConnections
        #[arg(value_name = "KEY")]
        name: String,
        /// The new value; separate the items of a list by commas
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Also save the value to conf.d/90-local.toml beside the configuration file
        #[arg(long)]
        save: bool,
        /// Print JSON, which says whether anything has changed
        #[arg(long)]
        json: bool,
    },
    /// Save the limits that a file of the Windows registry editor sets
    ///
    /// Reads TcpNumConnections of the host and of interfaces, and EnableConnectionRateLimiting, and writes them as
    /// half_open to conf.d/90-local.toml beside the configuration file. The output lists what else is in FILE as
    /// ignored. If FILE or the configuration that would result has a mistake, nothing is written. Importing FILE again
    /// changes nothing. What is saved is in force when the daemon reads its files again: at SIGHUP or its next start.
    #[command(after_help = "Example: halfopen import --dry-run limits.reg\n         \
        halfopen import --interface '{0A1B2C3D-0000-0000-0000-000000000001}=eth0' limits.reg")]
    Import(Import),
    /// Print the limits in force as a file of the Windows registry editor
    ///
    /// Prints half_open of the host and of each interface that has limits, in UTF-16LE with a byte order mark.
    #[command(after_help = "Example: halfopen export --reg > limits.reg")]
    Export {
        /// In the form of the registry editor, which is the only one
        #[arg(long, required = true)]
        reg: bool,
        /// Print UTF-8 instead
        #[arg(long)]
        utf8: bool,
    },
    /// Enforce on trial: the old mode returns by itself unless you confirm
    ///
    /// The kernel part keeps the deadline. The trial therefore ends on time even if the session that started it hangs,
    /// the configuration is read again, or the daemon is killed. `--for` during a trial restarts its time. To switch to
    /// enforcing for good at once: `halfopen set --save mode enforce`.
    #[command(group = clap::ArgGroup::new("order").required(true))]
    #[command(after_help = "Example: halfopen enforce --for 10m\n         halfopen enforce --confirm --save")]
    Enforce(Enforce),
    /// Say what the limit did to which program, and what to do about it
    ///
    /// In audit mode, says what the limit would have done. Lines fit 80 columns: `--json` has long names in full.
    #[command(after_help = "Example: halfopen report")]
    Report {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a program in a scope with limits of its own
    ///
    /// The host's limits apply as well. The exit code is the program's own, 128 + n if signal n ended the program, 127
    /// if the program was not found, and 126 if it could not be started.
    #[command(after_help = "Example: halfopen exec --half-open 4 --drain 2/s -- nmap -sT 192.0.2.0/24")]
    Exec(Exec),
    /// Refuse all TCP connections of an account for a time
    ///
    /// Its connect() calls fail at once with EPERM, whatever the address, and its attempts that wait fail with
    /// ETIMEDOUT at their next re-check, which may be a minute away; none of them goes out. Connections that are
    /// established, UDP, exempt destinations and programs of `never_hold` are not affected. The kernel part keeps the
    /// time. `halfopen release` ends the block, as does the end of the limit. Asked again, the time begins anew.
    #[command(
        after_help = "Example: halfopen block 'adaptive[/system.slice/foo.service]' --for 1h\n         \
        halfopen block /system.slice/foo.service --for 10m"
    )]
    Block {
        /// An account as events and `halfopen status` show it, or its cgroup alone; the cgroup may be gone
        #[arg(value_name = "ACCOUNT", value_parser = read::<AccountName>)]
        account: AccountName,
        /// For how long, from 1s to 24h
        #[arg(long = "for", value_name = "T", value_parser = trial_time)]
        time: Duration,
    },
    /// Clear a suspect: an account whose first contacts mostly failed
    ///
    /// The account is then no longer a suspect and no longer blocked, by hand or otherwise. `halfopen status` and event 4227 name suspects.
    /// A scope without [...] stands for all suspects of that scope.
    #[command(group = clap::ArgGroup::new("whom").required(true))]
    #[command(
        after_help = "Example: halfopen release 'adaptive[/system.slice/foo.service]'\n         halfopen release --all"
    )]
    Release {
        /// A scope, or an account as events and `halfopen status` show it, or its cgroup alone; the cgroup may be gone
        #[arg(value_name = "SCOPE", value_parser = read::<AccountName>, group = "whom")]
        account: Option<AccountName>,
        /// Clear all suspects
        #[arg(long, group = "whom")]
        all: bool,
    },
    /// Say what attempts of a program or to an address are waiting for
    ///
    /// One line stands for all attempts that differ in nothing but their destination; `--json` has each of them.
    #[command(
        after_help = "Example: halfopen why nmap\n         halfopen why 4242\n         halfopen why 192.0.2.7\n         \
        halfopen why 'adaptive[/system.slice/foo.service]'"
    )]
    Why {
        /// A process ID, an address with or without a port, or the name of a program, service or account
        #[arg(value_name = "NAME|PID|ADDR", value_parser = read::<Subject>)]
        subject: crate::control::Subject,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is known of an account, a process or an address
    ///
    /// Programs with command line and parent, addresses by port, the share that answered, since when, what is held,
    /// the rules that apply, and the events so far. The daemon keeps programs and addresses from the first attempt of
    /// an account that waits, so they are still there when the process or its unit has ended.
    #[command(after_help = "Example: halfopen inspect 'adaptive[/system.slice/foo.service]'\n         \
        halfopen inspect /system.slice/foo.service\n         halfopen inspect 4242\n         \
        halfopen inspect 192.0.2.7:22")]
    Inspect {
        /// An account as events and `halfopen status` show it, its cgroup alone, a scope, a process ID, or an address
        #[arg(value_name = "ACCOUNT|PID|ADDR", value_parser = read::<Inspected>)]
        inspected: Inspected,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say how much slower a worm gets, by the policy that ships
    ///
    /// Runs an outbreak on simulated hosts, each behind the policy, and compares shares of limited hosts. Needs neither
    /// root nor a daemon. Ctrl-C keeps what is done, and the exit code is then 1.
    #[command(
        after_help = "Example: halfopen simulate sasser\n         halfopen simulate mine.toml --runs 1000 --svg mine.svg"
    )]
    Simulate(Simulate),
    /// Check the configuration and print the values that result
    ///
    /// Each line ends with the origin of its value, such as a file with line and column. If the configuration has a
    /// mistake, prints the file, line and column of the first one and exits with code 1. `run` does the same, and
    /// SIGHUP then changes nothing. For a mistake on the command line itself (`--set`, `halfopen set`), the exit code
    /// is 2.
    ///
    /// Warns of what is accepted but probably not meant: a user, program or cgroup that does not exist now, a rule that
    /// never counts, a key that has no effect. Warnings do not change the exit code; `--json` lists them.
    #[command(
        after_help = "Example: halfopen check --config ./halfopen.toml\n         halfopen check --json | jq .warnings"
    )]
    Check {
        /// The configuration file; conf.d beside it is read too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Record the attempts of this host, with their programs, for `replay`
    ///
    /// Writes each attempt of every program: when, from which cgroup, to which address and port, how long it was held, how
    /// often its SYN left, and what came of it. No contents of connections. Needs root, and no daemon: it sees what a running
    /// limit does, and what would happen without one.
    ///
    /// Ctrl-C ends the recording. If it is killed, what was written before can be replayed.
    #[command(after_help = "Example: halfopen record --for 1h -o monday.trace\n         \
                            halfopen record -o - | gzip > monday.trace.gz")]
    Record(Record),
    /// Say what a policy would have done to recorded traffic
    ///
    /// Reads what `record` has written, captures (pcap, pcapng), Zeek's conn.log and Suricata's eve.json, also compressed
    /// with gzip or zstd, one after the other, and puts each connection attempt in them to each policy. Needs no privilege
    /// and no daemon.
    ///
    /// In captures and logs, each source address counts as a host with that policy, with one account for all its programs.
    /// An attempt that a policy holds back has the outcome of the recording as much later as it was held. Lines fit 80
    /// columns; `--json` has all sources.
    #[command(after_help = replay::after_help())]
    Replay(Replay),
    /// List the presets, or print one as a commented configuration file
    #[command(after_help = "Example: halfopen preset adaptive > /etc/halfopen/conf.d/10-preset.toml")]
    Preset {
        /// The preset to print; the file does the same as `preset = "PRESET"` and gives the reason for each number
        #[arg(value_name = "PRESET", value_parser = preset)]
        name: Option<Preset>,
    },
    /// Explain halfopen, or one of its commands
    #[command(after_help = "Example: halfopen help status")]
    Help {
        /// The command to explain
        command: Option<String>,
    },
    /// Test what the limit needs on this host, and list what bypasses it
    #[command(after_help = "Example: halfopen doctor")]
    Doctor {
        /// Test on this cgroup instead of the root cgroup
        #[arg(long, value_name = "PATH")]
        cgroup: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

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

fn since(text: &str) -> Result<UtcTime, WrongUse> {
    let found = text.parse().ok().or_else(|| UtcTime::of_date(text)).or_else(|| long_ago(text));
    found.ok_or_else(|| {
        WrongUse(
            "expected RFC 3339, such as 2030-01-31T12:00:00Z, a date in UTC, such as 2030-01-31, or how long ago in s, \
             m, h or d, such as 10m or 7d"
                .into(),
        )
    })
}

fn offset(text: &str) -> Result<Offset, WrongUse> {
    let found = crate::abuse_mail::parse_offset(text);
    found.ok_or_else(|| WrongUse("expected an offset from UTC, such as +01:00, -0500 or CET".into()))
}

/// However long: what was before 1970 was in 1970.
fn long_ago(text: &str) -> Option<UtcTime> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let since_1970 = UtcTime::now().since(UtcTime::EPOCH);
    let back = number.parse::<u64>().ok()?.saturating_mul(unit);
    Some(UtcTime::EPOCH.after(since_1970.saturating_sub(Duration::from_secs(back))))
}

/// A single address is a network too.
fn network(text: &str) -> Result<IpNet, WrongUse> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone).ok_or_else(|| {
        WrongUse("expected a network, such as 192.0.2.0/24 or 2001:db8::/32, or an address".into())
    })
}

fn interface(text: &str) -> Result<(String, String), WrongUse> {
    let pair =
        text.rsplit_once('=').filter(|(there, here)| !there.is_empty() && config::name::is_interface(here));
    pair.map(|(there, here)| (there.to_owned(), here.to_owned())).ok_or_else(|| {
        WrongUse("expected an interface of the file and one of this host, such as {0A1B2C3D-...}=eth0".into())
    })
}

fn preset(text: &str) -> Result<Preset, WrongUse> {
    Preset::named(text).ok_or_else(|| {
        let names = Preset::WORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        WrongUse(format!("the presets are {names}"))
    })
}

/// Reads what is written by its own rules.
fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T, WrongUse> {
    text.parse().map_err(|e| WrongUse(format!("{e}")))
}

/// A size in bytes.
fn size(text: &str) -> Result<u64, WrongUse> {
    let (number, shift) = match text.char_indices().next_back() {
        Some((end, 'K')) => (&text[..end], 10),
        Some((end, 'M')) => (&text[..end], 20),
        Some((end, 'G')) => (&text[..end], 30),
        _ => (text, 0),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes >= 4_096)
        .ok_or_else(|| WrongUse("expected a size of at least 4K, such as 500K, 64M or 2G".into()))
}

fn trial_time(text: &str) -> Result<Duration, WrongUse> {
    use crate::control::trial::LONGEST;
    let time = parse_time(text).ok().filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    time.ok_or_else(|| WrongUse("expected a time from 1s to 24h, such as 10m".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound_and_every_command_has_an_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for command in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
            let help = command.render_help().to_string();
            assert!(help.contains("Example: halfopen "), "{help}");
        }
    }

    /// The list of commands has two columns, the first as wide as the longest command.
    #[test]
    fn the_list_of_commands_fits_80_columns() {
        let listed: Vec<clap::Command> =
            Cli::command().get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
        let widest = listed.iter().map(|command| command.get_name().len()).max().unwrap();
        for command in listed {
            let about = command.get_about().unwrap().to_string();
            assert!("  ".len() + widest + "  ".len() + about.len() <= 80, "{}: {about}", command.get_name());
        }
    }

    #[test]
    fn times() {
        assert_eq!(since("1970-01-01T01:00:00+01:00").unwrap(), UtcTime::EPOCH);
        for (longer, shorter) in
            [("2d", "1d"), ("25h", "1d"), ("1d", "2h"), ("61m", "1h"), ("61s", "1m"), ("1s", "0s")]
        {
            assert!(since(longer).unwrap() < since(shorter).unwrap(), "{longer}");
        }
        assert!(UtcTime::now().since(since("1d").unwrap()).as_secs().abs_diff(86_400) < 60);
        assert_eq!(since("18446744073709551615d").unwrap(), UtcTime::EPOCH);
        assert_eq!(since("1970-01-02").unwrap(), UtcTime::EPOCH.after(Duration::from_hours(24)));
        assert_eq!(since("1970-01-01 00:01").unwrap(), UtcTime::EPOCH.after(Duration::from_mins(1)));
        for wrong in ["yesterday", "d", "", "1", "1w", "-1d", "1.5h", "99999999999999999999d", "\u{e9}"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
