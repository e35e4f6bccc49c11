//! The command line.

use crate::config::Preset;
use crate::control::AccountName;
use crate::exit::WrongUse;
use crate::privileged::Reach;
use crate::privileged::serving::Turn;
use crate::{config, runtime_dir};
use clap::{Args, Parser, Subcommand};
use halfopen_policy::limits::parse_time;
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Limits how many outbound TCP connection attempts this host may have half-open at once. Attempts over the limit wait.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not permitted or the kernel cannot \
    (`halfopen doctor` says what is missing).\nExample: halfopen run --set host.half_open=20")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Limit this host, in the foreground, until SIGINT, SIGTERM or `halfopen off`
    ///
    /// Prints one line with the word `ready` on standard error once the limit is in force. SIGHUP re-reads the files and
    /// keeps `--set`; what `halfopen set` set without `--save` is dropped then, and the log says which. A file with a
    /// mistake changes nothing.
    #[command(after_help = format!(
        "{} names another directory than /run/halfopen for the lock and the control socket.\n\
         Example: halfopen run --config /etc/halfopen/halfopen.toml --set mode=audit", runtime_dir::VARIABLE))]
    Run(Run),
    /// The part of `run` that keeps root; `run` starts it
    #[command(hide = true)]
    Helper {
        /// What it may touch
        #[command(flatten)]
        reach: Reach,
        /// Answer the daemon, and not only keep one that does
        #[arg(long, value_name = "TURN")]
        serve: Option<Turn>,
    },
    /// Let every held attempt go and end the daemon; says so where none runs
    #[command(after_help = "Example: halfopen off")]
    Off,
    /// Show what is held, and what became of the rest
    #[command(after_help = "Example: halfopen status --json | jq .host.queued")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the events that the daemon remembers: 4226, a limit is reached; 4227, first contacts mostly fail; 4228, a deny rule is met; 4229, first contacts over UDP were stopped
    #[command(after_help = "Example: halfopen events --since 10m --follow")]
    Events {
        /// Go on with those to come
        #[arg(long)]
        follow: bool,
        /// One line of JSON each
        #[arg(long)]
        json: bool,
        /// None before this time: RFC 3339, or a time back, as 10m
        #[arg(long, value_name = "T", value_parser = since)]
        since: Option<Timestamp>,
    },
    /// Print the value that is in force
    #[command(after_help = "Example: halfopen get host.half_open")]
    Get {
        /// A key of the configuration, scope.NAME.KEY, interface.NAME.KEY, or TcpNumConnections
        name: String,
    },
    /// Put a value in force while the limit runs
    ///
    /// New attempts are measured by it at once, waiting ones at their next re-check. Without `--save` it lasts until
    /// SIGHUP or the daemon's end.
    #[command(
        after_help = "Example: halfopen set --save half_open 50\n         halfopen set scope.torrent.drain 1/s\n\
        TcpNumConnections, and Interfaces\\NAME\\TcpNumConnections, take decimal or 0x hex; 0xfffffe means unlimited."
    )]
    Set {
        /// A key of the configuration, scope.NAME.KEY, interface.NAME.KEY, or TcpNumConnections
        name: String,
        /// Its value; a list with commas between
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Also write it into conf.d/90-local.toml beside the configuration
        #[arg(long)]
        save: bool,
    },
    /// Enforce for a while: the mode before comes back by itself unless this is confirmed
    ///
    /// The end is kept in the kernel part: it comes though the session that began this hangs, though the configuration
    /// is read again, and though the daemon is killed. `--for` while one runs gives it that time anew. To switch for
    /// good at once: `halfopen set --save mode enforce`.
    #[command(group = clap::ArgGroup::new("order").required(true))]
    #[command(after_help = "Example: halfopen enforce --for 10m\n         halfopen enforce --confirm --save")]
    Enforce(Enforce),
    /// Say what the limit did to which program, or in audit mode would have done, and what to do about it
    #[command(after_help = "Example: halfopen report")]
    Report {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a program in a scope of its own, with limits of its own besides the host's
    ///
    /// Ends with the program's exit code, 128 + n for one that signal n ended, 127 where it was not found and 126 where it
    /// could not be started.
    #[command(after_help = "Example: halfopen exec --half-open 4 --drain 2/s -- nmap -sT 192.0.2.0/24")]
    Exec(Exec),
    /// Let an account go on whose first contacts mostly failed: it is no suspect any more, and not blocked
    ///
    /// `halfopen status` and event 4227 name it. Without [...] all suspects of that scope are let go.
    #[command(group = clap::ArgGroup::new("whom").required(true))]
    #[command(
        after_help = "Example: halfopen release 'adaptive[/system.slice/foo.service]'\n         halfopen release --all"
    )]
    Release {
        /// A scope, or one account of it, as status shows it
        #[arg(value_name = "SCOPE", value_parser = account, group = "whom")]
        account: Option<AccountName>,
        /// All suspects
        #[arg(long, group = "whom")]
        all: bool,
    },
    /// Say what the attempts of a program or to an address are doing, and what they wait for
    #[command(after_help = "Example: halfopen why 4242\n         halfopen why 192.0.2.7")]
    Why {
        /// A process id, an address, or an address with its port
        #[arg(value_name = "PID|ADDR", value_parser = subject)]
        subject: crate::control::Subject,
    },
    /// Check the configuration and print what holds in the end, each line with its origin
    ///
    /// Ends with 1 and the first mistake's file, line and column where there is one; so does `run`, and SIGHUP then
    /// changes nothing. A mistake on the command line itself (`--set`, `halfopen set`) is 2.
    #[command(after_help = "Example: halfopen check --config ./halfopen.toml")]
    Check {
        /// The configuration file; conf.d beside it is read too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a preset as a configuration file with the reason of each number, or list the presets
    #[command(after_help = "Example: halfopen preset adaptive > /etc/halfopen/halfopen.toml")]
    Preset {
        /// Which; its file says all that `preset = \"NAME\"` does
        #[arg(value_parser = preset)]
        name: Option<Preset>,
    },
    /// Try all that the limit needs on this host, and list what passes by it
    #[command(after_help = "Example: halfopen doctor")]
    Doctor {
        /// Try it on this cgroup and not on the root
        #[arg(long, value_name = "PATH")]
        cgroup: Option<PathBuf>,
    },
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file; conf.d beside it is read too
    #[arg(long, value_name = "FILE", help = format!("The configuration file [default: {}]; conf.d beside it is read too", config::DEFAULT_FILE))]
    pub config: Option<PathBuf>,
    /// Limit only what runs below this cgroup
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Override a key of the configuration; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The arguments of `enforce`.
#[derive(Debug, Args)]
pub struct Enforce {
    /// Enforce from now on for this time, of 1s to a day
    #[arg(long = "for", value_name = "T", value_parser = trial_time, group = "order")]
    pub time: Option<Duration>,
    /// Go on enforcing; without `--save` until SIGHUP or the daemon's end
    #[arg(long, group = "order")]
    pub confirm: bool,
    /// Go back to the mode before, now
    #[arg(long, group = "order")]
    pub cancel: bool,
    /// Also write it into conf.d/90-local.toml beside the configuration
    // clap forgives a requirement that conflicts with what is given.
    #[arg(long, requires = "confirm", conflicts_with_all = ["time", "cancel"])]
    pub save: bool,
}

/// The arguments of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Attempts that it may have half-open at once, or unlimited [default: the host's]
    #[arg(long, value_name = "N")]
    pub half_open: Option<String>,
    /// Releases per time, as 2/s, or unlimited [default: the host's]
    #[arg(long, value_name = "R")]
    pub drain: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

fn since(text: &str) -> Result<Timestamp, WrongUse> {
    let back = || {
        let time = parse_time(text).ok()?;
        Timestamp::now().checked_sub(time).ok()
    };
    text.parse().ok().or_else(back).ok_or_else(|| {
        WrongUse("expected RFC 3339, as 2030-01-31T12:00:00Z, or a time back of a day at most, as 10m".into())
    })
}

fn preset(text: &str) -> Result<Preset, WrongUse> {
    Preset::named(text).ok_or_else(|| {
        let names = Preset::NAMES.map(|(name, _)| name).join(", ");
        WrongUse(format!("the presets are {names}"))
    })
}

fn account(text: &str) -> Result<AccountName, WrongUse> {
    text.parse().map_err(|e| WrongUse(format!("{e}")))
}

fn trial_time(text: &str) -> Result<Duration, WrongUse> {
    use crate::control::trial::LONGEST;
    let time = parse_time(text).ok().filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    time.ok_or_else(|| WrongUse("expected a time from 1s to 24h, as 10m".into()))
}

fn subject(text: &str) -> Result<crate::control::Subject, WrongUse> {
    use crate::control::Subject;
    let pid = text.parse().ok().map(Subject::Pid);
    let address = || text.parse().ok().map(Subject::Address);
    let destination = || text.parse().ok().map(Subject::Destination);
    pid.or_else(address).or_else(destination).ok_or_else(|| {
        WrongUse(
            "expected a process id, an address, as 192.0.2.7, or one with its port, as [2001:db8::1]:80"
                .into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Subject;
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

    #[test]
    fn times_and_subjects() {
        assert_eq!(since("1970-01-01T01:00:00+01:00").unwrap(), Timestamp::UNIX_EPOCH);
        assert!(since("10m").unwrap() < Timestamp::now());
        assert!(since("yesterday").is_err());
        assert_eq!(subject("7").unwrap(), Subject::Pid(7));
        assert_eq!(subject("::1").unwrap(), Subject::Address("::1".parse().unwrap()));
        assert_eq!(subject("10.0.0.1:80").unwrap(), Subject::Destination("10.0.0.1:80".parse().unwrap()));
        assert!(subject("localhost").is_err());
    }
}
