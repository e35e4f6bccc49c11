//! The process itself. It answers the daemon until that closes its end of the socket.

use super::{ROWS, Reads};
use crate::control::{Answer, RefusalKind, Request};
use crate::daemon::enforcement::HOST;
use crate::exit::{WrongUse, refusal};
use crate::history::{History, Reader, USUAL};
use crate::privileged::serving::deafen;
use crate::recorder::at_socket;
use crate::runtime_dir::StateDir;
use crate::sandbox;
use crate::tuning;
use crate::utc_time::UtcTime;
use anyhow::{Context, Result};
use rustix::net::SocketType;
use rustix::thread::set_name;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;

/// Serves the daemon at the other end of standard input.
///
/// # Errors
/// If standard input is not such a socket, or if this process cannot be sandboxed.
pub fn serve(reads: &Reads) -> Result<()> {
    let stdin = io::stdin();
    at_socket(&stdin, SocketType::STREAM, "history-reader")?;
    // The kernel cuts it to 15 bytes; ps shows it.
    let _ = set_name(c"halfopen-history");
    deafen()?;
    let mut to_daemon = File::from(stdin.as_fd().try_clone_to_owned()?);
    let from_daemon = BufReader::new(to_daemon.try_clone()?);
    // The sandbox names the directory, which the recorder may not have made yet.
    let _ = DirBuilder::new().mode(0o700).create(&reads.state_dir);
    // SQLite locks the index of the write-ahead log to read it, and makes one that is missing.
    sandbox::enter_as_recorder(std::slice::from_ref(&reads.state_dir))
        .context("the process that reads the history is not sandboxed")?;
    let state = StateDir::at(reads.state_dir.clone());
    for line in from_daemon.lines() {
        let request = serde_json::from_str(&line?).context("the daemon asks what nobody understands")?;
        let answer = answer(&state, request).unwrap_or_else(|e| refusal(&e));
        let (name, body) = answer.written()?;
        to_daemon.write_all(format!("{name} {body}\n").as_bytes())?;
    }
    Ok(())
}

fn answer(state: &StateDir, request: Request) -> Result<Answer> {
    match request {
        Request::History { since, account, limit } => {
            let since = since.unwrap_or_else(|| UtcTime::now().before(USUAL));
            let reader = Reader::open(state)?;
            let minutes =
                reader.latest_minutes(since, account.as_deref(), limit.unwrap_or(ROWS).min(ROWS))?;
            let lost = reader.lost(since)?;
            let history = History { since, minutes, lost_events: lost.events, lost_minutes: lost.minutes };
            Ok(Answer::History(Box::new(history)))
        }
        Request::Tuning { scope, since, half_open } => {
            let since = since.unwrap_or_else(|| UtcTime::now().before(tuning::USUAL));
            let scope = scope.unwrap_or_else(|| HOST.to_owned());
            let reader = Reader::open(state)?;
            let rows = tuning::rows_of(
                &scope,
                reader.minutes_of_scope(since, &scope)?,
                &reader.suspect_minutes(since)?,
            );
            if rows.is_empty() {
                let why = format!("the history has no attempts in a scope {scope} since {since}");
                return Err(WrongUse(why).into());
            }
            Ok(Answer::Tuning(Box::new(tuning::tuned(&scope, &rows, half_open, None))))
        }
        other => Ok(Answer::Refused {
            kind: RefusalKind::WrongUse,
            message: format!("{other:?} is not about the history"),
        }),
    }
}
