//! What each subcommand does on the client's side.

mod alike;
mod block;
mod check;
mod columns;
mod complete;
mod conntrack_check;
mod dashboard;
mod doctor;
mod doctor_check;
mod enforce;
mod events;
mod exec;
mod explain;
mod export;
mod history;
mod import;
mod inspect;
mod interrupt;
mod name_sources;
mod named_account;
mod off;
mod packet_socket;
mod pictures;
mod plot;
mod preset;
mod program_table;
mod record;
mod release;
pub(crate) mod replay;
mod replay_accounts;
mod replay_advice;
mod replay_plot;
mod replay_table;
mod report;
mod running_daemon;
mod set;
mod show;
mod simulate;
mod suspects;
mod top;
mod tune;
mod tune_apply;
mod unanswered;
mod unwatched;
mod watch;

pub use check::Checked;
pub use doctor::Doctor;
pub use doctor_check::{Check, CheckResult};
pub use halfopen_replay::Replayed;
pub use import::{Imported, ImportedValue};
pub use report::{Advice, Report, Step, UdpReport};
pub use set::Set;
pub use suspects::SuspectStatus;
pub use tune_apply::{Applied, AppliedStep};

use crate::cli::{Cli, Command};
use crate::config::Sources;
use crate::control::{Answer, Client, Request, Status, client};
use crate::daemon;
use crate::name_service::finding_users_here;
use anyhow::Result;
use clap::Parser;
use unanswered::asked;

/// Carries out the command line.
///
/// # Errors
/// The command's failure; [`crate::exit::code`] has the exit code for it.
pub fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Run(run) => {
            let sources = finding_users_here(|| Sources::new(run.config.clone(), &run.sets))?;
            daemon::run(sources, run.cgroup.as_deref())?;
        }
        Command::Helper { reach, serve: None } => crate::privileged::keeper::keep(&reach)?,
        Command::Helper { reach, serve: Some(turn) } => crate::privileged::serving::serve(&reach, turn)?,
        Command::Recorder(keeps) => crate::recorder::serving::serve(&keeps)?,
        Command::DashboardServer(serves) => crate::dashboard::serving::serve(&serves)?,
        Command::OtlpExporter(sends) => crate::otlp::serving::serve(&sends)?,
        Command::HistoryReader(reads) => crate::history_reader::serving::serve(&reads)?,
        Command::Dashboard => dashboard::dashboard()?,
        Command::Off => off::off()?,
        Command::Status { json, watch: false } => return show::status(json),
        Command::Status { json, watch: true } => watch::status(json)?,
        Command::Top => top::top()?,
        Command::Complete { words } => complete::complete(&words)?,
        Command::Help { command } => return help(command),
        Command::Events { follow, json, since, account } => {
            return events::events(follow, json, since, account.as_deref());
        }
        Command::Explain { file, offset, json } => explain::explain(&file, offset, json)?,
        Command::Tune(tune) => return tune::tune(&tune),
        Command::History { since, account, json } => history::history(since, account.as_deref(), json)?,
        Command::Get { name } => return show::get(&name),
        Command::Set { name, value, save, json } => set::set(name, value, save, json)?,
        Command::Import(import) => import::import(import)?,
        Command::Export { utf8, .. } => export::export(utf8)?,
        Command::Enforce(enforce) => enforce::enforce(&enforce)?,
        Command::Report { json } => return report::report(json),
        Command::Exec(exec) => return exec::exec(&exec),
        Command::Block { account, time } => block::block(account, time)?,
        Command::Release { account, .. } => release::release(account)?,
        Command::Preset { name } => preset::preset(name)?,
        Command::Inspect { inspected, json } => inspect::inspect(inspected, json)?,
        Command::Record(asked) => return record::record(&asked),
        Command::Replay(replay) => return replay::replay(&replay),
        Command::Why { subject, json } => return show::why(&subject, json),
        Command::Simulate(simulate) => return simulate::simulate(&simulate),
        Command::Check { config, json } => check::check(config, json)?,
        Command::Doctor { cgroup, json } => return doctor::doctor(cgroup.as_deref(), json),
    }
    Ok(0)
}

/// Prints what `--help` prints. An unknown command is told as it is anywhere else, with near ones.
fn help(command: Option<String>) -> Result<u8> {
    let words =
        std::iter::once("halfopen".to_owned()).chain(command).chain(std::iter::once("--help".to_owned()));
    let Err(said) = Cli::try_parse_from(words) else { return Ok(0) };
    said.print()?;
    Ok(u8::try_from(said.exit_code()).unwrap_or(crate::exit::FAILED))
}

/// Sends one request to this host's daemon.
fn ask(request: &Request) -> Result<(Client, Answer)> {
    let mut client = asked(request, Some(client::PATIENCE))?;
    let answer = client.answer()?;
    Ok((client, answer))
}

/// The numbers of this host's daemon.
fn numbers() -> Result<Status> {
    let mut client = asked(&Request::Status, Some(client::PATIENCE_FOR_STATUS))?;
    match client.answer()? {
        Answer::Status(status) => Ok(*status),
        other => Err(client.unexpected(&other).into()),
    }
}
