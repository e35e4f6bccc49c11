//! The command line.

mod arguments;
mod values;

pub use arguments::{Enforce, Exec, Import, Pictures, Record, Replay, Run, Simulate, SimulateEngine, Tune};

use crate::config::Preset;
use crate::control::{AccountName, Inspected, Subject};
use crate::dashboard::Serves;
use crate::history_reader::Reads;
use crate::otlp::Sends;
use crate::privileged::Reach;
use crate::privileged::serving::Turn;
use crate::recorder::Keeps;
use crate::runtime_dir;
use crate::utc_time::UtcTime;
use clap::{Parser, Subcommand};
use jiff::tz::Offset;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use values::{offset, preset, read, since, trial_time};

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
    #[command(after_help = arguments::after_replay())]
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
}
