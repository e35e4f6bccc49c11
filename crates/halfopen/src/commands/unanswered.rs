//! Why no daemon answers. A pinned limit may hold all the same, and a daemon may be about to answer.

use super::unwatched::Unwatched;
use crate::control::{Client, ClientError, Request, SilentDaemon, UnwatchedStatus};
use crate::exit;
use crate::lock::holder;
use crate::output;
use crate::runtime_dir::{RuntimeDir, pins_of_this_host};
use anyhow::Result;
use halfopen_bpf::KernelError;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Asks this host's daemon.
pub fn asked(request: &Request, patience: Option<Duration>) -> Result<Client> {
    let directory = RuntimeDir::of_this_host();
    match Client::ask(&directory, request, patience) {
        Err(none @ ClientError::NoDaemon(_)) => Err(why(&directory, none)),
        asked => Ok(asked?),
    }
}

fn why(directory: &RuntimeDir, none: ClientError) -> anyhow::Error {
    // Who may not read the lock file is told of the pins, which only root may read either.
    if let Some(pid) = holder_pid(directory) {
        return ClientError::NotYet { pid }.into();
    }
    match Unwatched::find() {
        Ok(Some(limit)) => ClientError::Unwatched(Box::new(limit.told())).into(),
        Ok(None) => none.into(),
        Err(e) if is_hidden(&e) => ClientError::PinsHidden(pins_of_this_host()).into(),
        Err(e) => e.into(),
    }
}

fn is_hidden(error: &KernelError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied)
}

/// What was asked, or what `read` reads from the pins if no daemon answers, or not in time, but a limit is pinned.
pub fn or_unwatched<T>(asked: Result<T>, read: impl FnOnce(&mut Unwatched) -> Result<T>) -> Result<T> {
    let is_unwatched = |error: &anyhow::Error| {
        matches!(error.downcast_ref::<ClientError>(), Some(ClientError::Unwatched(_)))
    };
    match asked {
        Err(error) if is_unwatched(&error) => {
            Unwatched::find()?.map_or(Err(error), |mut limit| read(&mut limit))
        }
        Err(error) => match error.downcast_ref() {
            Some(ClientError::Silent { patience, .. }) => {
                let silent =
                    SilentDaemon { pid: holder_pid(&RuntimeDir::of_this_host()), for_s: patience.as_secs() };
                let found = Unwatched::find().ok().flatten();
                found.map_or(Err(error), |limit| read(&mut limit.beside(silent)))
            }
            _ => Err(error),
        },
        Ok(asked) => Ok(asked),
    }
}

fn holder_pid(directory: &RuntimeDir) -> Option<u32> {
    holder(directory).ok().flatten().and_then(|holder| holder.pid)
}

/// Says on standard error that no daemon answers, where standard output has only what was asked for. Returns the exit
/// code.
pub fn code_beside(unwatched: Option<&UnwatchedStatus>) -> u8 {
    if let Some(unwatched) = unwatched {
        output::error_line(&format!("halfopen: {}", unwatched.explanation));
    }
    code(unwatched)
}

/// The exit code of a command that has told of it already.
pub fn code(unwatched: Option<&UnwatchedStatus>) -> u8 {
    unwatched.map_or(0, |_| exit::FAILED)
}
