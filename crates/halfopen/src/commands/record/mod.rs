//! `record`: the attempts of this host as a file that `replay` reads.

mod file;
mod names;
mod trace;

use super::interrupt::at_ctrl_c;
use crate::cli;
use crate::output::{self, Closed};
use crate::sandbox::rights::keep_only;
use anyhow::{Context, Result};
use file::File;
use halfopen_bpf::{Recorded, Recording, monotonic};
use halfopen_replay::trace::Ended;
use rustix::thread::{CapabilitySet, set_no_new_privs};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use trace::Trace;

/// How often the kernel's buffer is read. It has room for some 60,000 attempts.
const LOOK: Duration = Duration::from_millis(50);

pub fn record(asked: &cli::Record) -> Result<u8> {
    let since = monotonic();
    // Before the file is there: without the rights to record, none is made.
    let mut recording = Recording::start()?;
    let file = File::create(&asked.output, asked.overwrite)?;
    give_up_rights().context("cannot give up the rights that a recording does not need")?;
    let mut trace = Trace::new(file, asked.max_size, since)?;
    let ended = written(&mut recording, &mut trace, asked.time.map(|time| since + time));
    let ended = match ended {
        // Its reader has left.
        Err(error) if is_closed(&error) => return Err(Closed.into()),
        ended => ended?,
    };
    trace.finish(ended)?;
    output::error_line(&trace.summary(&asked.output, ended));
    Ok(0)
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Keeps what finds the path of a cgroup by its id. Everything else is open already.
fn give_up_rights() -> rustix::io::Result<()> {
    set_no_new_privs(true)?;
    keep_only(CapabilitySet::DAC_READ_SEARCH)
}

/// Writes what the kernel tells, until it is asked to stop. Returns why it has stopped.
fn written(recording: &mut Recording, trace: &mut Trace, until: Option<Duration>) -> Result<Ended> {
    let (stop, stopped) = mpsc::channel();
    at_ctrl_c(move || {
        // The receiver lives until this has been heard.
        let _ = stop.send(());
    })?;
    output::error_line("halfopen: recording; Ctrl-C ends it");
    let ended = loop {
        match stopped.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break Ended::Asked,
            Err(RecvTimeoutError::Timeout) => {}
        }
        take(recording, trace)?;
        if trace.is_full() {
            break Ended::Full;
        }
        if until.is_some_and(|until| monotonic() >= until) {
            break Ended::Time;
        }
    };
    recording.stop();
    take(recording, trace)?;
    for attempt in recording.open() {
        trace.attempt(&attempt)?;
    }
    Ok(ended)
}

fn take(recording: &Recording, trace: &mut Trace) -> Result<()> {
    for told in recording.told()? {
        match told {
            Recorded::Cgroup(id) => trace.cgroup(id),
            Recorded::Attempt(attempt) => trace.attempt(&attempt)?,
        }
    }
    trace.lost(recording.lost()?)?;
    trace.flush()
}
