//! The command line.

use crate::config::{Preset, Words};
use crate::control::{AccountName, Inspected, Subject};
use crate::exit::WrongUse;
use crate::privileged::Reach;
use crate::privileged::serving::Turn;
use crate::utc_time::UtcTime;
use crate::{config, runtime_dir};
use clap::{Args, Parser, Subcommand};
use halfopen_policy::limits::parse_time;
use std::ffi::OsString;
use std::path::PathBuf;
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
    /// Show recent events: limits reached, suspects, refused connections
    ///
    /// Event 4226: an attempt had to wait because a limit was reached. 4227: most first contacts of an account failed.
    /// 4228: a deny rule matched. 4229: a limit stopped first contacts over UDP. Each has a page: halfopen-event-4226(7)
    /// to 4229. Events from before a stop or a reboot are shown too, also while no daemon runs.
    #[command(after_help = "Example: halfopen events --since 10m --follow")]
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
    },
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
        #[arg(value_name = "ACCOUNT", value_parser = account)]
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
        #[arg(value_name = "SCOPE", value_parser = account, group = "whom")]
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
        #[arg(value_name = "NAME|PID|ADDR", value_parser = subject)]
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
        #[arg(value_name = "ACCOUNT|PID|ADDR", value_parser = inspected)]
        inspected: Inspected,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
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

fn account(text: &str) -> Result<AccountName, WrongUse> {
    text.parse().map_err(|e| WrongUse(format!("{e}")))
}

fn trial_time(text: &str) -> Result<Duration, WrongUse> {
    use crate::control::trial::LONGEST;
    let time = parse_time(text).ok().filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    time.ok_or_else(|| WrongUse("expected a time from 1s to 24h, such as 10m".into()))
}

fn inspected(text: &str) -> Result<Inspected, WrongUse> {
    match subject(text) {
        Err(_) | Ok(Subject::Name(_)) => account(text).map(|name| Inspected::Account(name.scope, name.whose)),
        Ok(subject) => Ok(Inspected::Attempts(subject)),
    }
}

fn subject(text: &str) -> Result<Subject, WrongUse> {
    let pid = text.parse().ok().map(Subject::Pid);
    let address = || text.parse().ok().map(Subject::Address);
    let destination = || text.parse().ok().map(Subject::Destination);
    // What looks like a number or an address and is none is a mistake, and no name.
    let is_name = text.contains(|c: char| !c.is_ascii_digit() && !"[].:/".contains(c));
    let name = || is_name.then(|| Subject::Name(text.to_owned()));
    pid.or_else(address).or_else(destination).or_else(name).ok_or_else(|| {
        WrongUse(
            "expected the name of a program, service or account, a process ID, an address such as 192.0.2.7, or an \
             address with a port such as [2001:db8::1]:80"
                .into(),
        )
    })
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
    fn times_and_subjects() {
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
        assert_eq!(subject("7").unwrap(), Subject::Pid(7));
        assert_eq!(subject("::1").unwrap(), Subject::Address("::1".parse().unwrap()));
        assert_eq!(subject("10.0.0.1:80").unwrap(), Subject::Destination("10.0.0.1:80".parse().unwrap()));
        assert_eq!(subject("nmap").unwrap(), Subject::Name("nmap".into()));
        for mistaken in ["", "192.0.2", "192.0.2.1:", "[]:80", "99999999999", "10.0.0.0/8"] {
            assert!(subject(mistaken).is_err(), "{mistaken}");
        }
    }
}
