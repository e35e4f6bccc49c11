//! The recorder itself. It writes what the daemon hands over until the daemon closes its end of the socket.

use super::events_file::EventsFile;
use super::message::{LONGEST, Record, Told};
use super::{Keeps, at_socket};
use crate::events::Event;
use crate::history::{Bounds, Dial, Lost, MinuteRow, Store};
use crate::privileged::serving::deafen;
use crate::runtime_dir::{StateDir, Writes};
use crate::sandbox;
use crate::utc_time::UtcTime;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send};
use rustix::process::umask;
use rustix::thread::set_name;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long messages are gathered, so that a burst is one transaction.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// How many messages a transaction has at most.
const GATHERED: usize = 256;
/// How soon a database is tried again that could not be opened, such as while the recorder of an earlier daemon still
/// writes.
const OPENED_AGAIN: Duration = Duration::from_millis(500);
/// How often the database is kept within its bounds.
const TRIMMED_EVERY: Duration = Duration::from_mins(1);

/// Serves the daemon at the other end of standard input.
///
/// # Errors
/// If standard input is not such a socket, or if this process cannot be sandboxed.
pub fn serve(keeps: &Keeps) -> Result<()> {
    let stdin = io::stdin();
    at_socket(&stdin, SocketType::SEQPACKET, "recorder")?;
    // The kernel cuts it to 15 bytes; ps shows it.
    let _ = set_name(c"halfopen-recorder");
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    deafen()?;
    let state = StateDir::at(keeps.state_dir.clone());
    // Makes the directory: the sandbox names it. Whether it can be used shows when the database is opened.
    let _ = state.file("history.lock", Writes::Anywhere);
    let shipped = keeps.events_file.as_ref().and_then(|file| file.parent()).map(ToOwned::to_owned);
    let written: Vec<_> = [keeps.state_dir.clone()].into_iter().chain(shipped).collect();
    sandbox::enter_as_recorder(&written).context("the recorder is not sandboxed")?;
    let file = keeps.events_file.clone().map(|path| {
        let longest = u64::from(keeps.file_max_mib.unwrap_or(1)) << 20;
        EventsFile::at(path, longest, keeps.keep_files.unwrap_or(1))
    });
    let mut recording = Recording {
        state,
        bounds: keeps.bounds(),
        store: None,
        not_in_history: Lost::default(),
        file,
        trimmed: None,
        told: Told::default(),
    };
    recording.open();
    let socket = stdin.as_fd();
    let mut said = Told::default();
    loop {
        if recording.told != said {
            said = recording.told.clone();
            say(socket, &said);
        }
        let patience = recording.is_to_be_opened().then_some(OPENED_AGAIN);
        let (batch, is_over) = gather(socket, patience)?;
        recording.write(&batch);
        if is_over {
            return Ok(());
        }
    }
}

/// What came within a while.
#[derive(Debug, Default)]
struct Batch {
    events: Vec<Event>,
    minutes: Vec<MinuteRow>,
    dials: Vec<Dial>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.minutes.is_empty() && self.dials.is_empty()
    }
}

/// Waits for a message, for so long at most, and takes those that follow. Also returns whether the daemon has closed its
/// end.
fn gather(socket: BorrowedFd<'_>, patience: Option<Duration>) -> io::Result<(Batch, bool)> {
    let mut batch = Batch::default();
    let mut bytes = vec![0; LONGEST];
    let mut end = None;
    for _ in 0..GATHERED {
        let left = end.map_or(patience, |end: Instant| Some(end.saturating_duration_since(Instant::now())));
        let left = left.map(|left| Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() });
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], left.as_ref()) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        let length = match recv(socket, &mut bytes, RecvFlags::empty()) {
            Ok((_, 0)) => return Ok((batch, true)),
            Ok((length, _)) => length,
            // A daemon that ends before it has read what it was told resets the socket. What it handed over can still be
            // read: unix_release_sock() sets an error that is returned once.
            Err(Errno::INTR | Errno::CONNRESET) => continue,
            Err(e) => return Err(e.into()),
        };
        match serde_json::from_slice(&bytes[..length]) {
            Ok(Record::Event(event)) => batch.events.push(*event),
            Ok(Record::Minutes(rows)) => batch.minutes.extend(rows),
            Ok(Record::Dials(dials)) => batch.dials.extend(dials),
            Err(e) => tracing::warn!("the recorder cannot read what the daemon hands over: {e}"),
        }
        end.get_or_insert_with(|| Instant::now() + GATHERED_FOR);
    }
    Ok((batch, false))
}

/// Says how it fares, unless the daemon does not listen.
fn say(socket: BorrowedFd<'_>, told: &Told) {
    let Ok(mut bytes) = serde_json::to_vec(told) else { return };
    bytes.push(b'\n');
    let _ = send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

struct Recording {
    state: StateDir,
    /// `None` = there is to be no history.
    bounds: Option<Bounds>,
    /// `None` = it could not be opened yet.
    store: Option<Store>,
    /// What is lost and not noted in the history yet.
    not_in_history: Lost,
    file: Option<EventsFile>,
    trimmed: Option<Instant>,
    told: Told,
}

impl Recording {
    fn write(&mut self, batch: &Batch) {
        for event in &batch.events {
            self.ship(event);
        }
        self.keep(batch);
    }

    fn ship(&mut self, event: &Event) {
        let Some(file) = &mut self.file else { return };
        match file.add(event) {
            Ok(()) => {
                if self.told.file.take().is_some() {
                    tracing::info!(
                        "the file of events is written again; it lacks {} events",
                        self.told.file_lost
                    );
                }
            }
            Err(e) => {
                self.told.file_lost += 1;
                if self.told.file.replace(e.to_string()).is_none() {
                    tracing::warn!(
                        "an event is missing from the file of events, which cannot be written: {e}"
                    );
                }
            }
        }
    }

    fn keep(&mut self, batch: &Batch) {
        self.open();
        if self.bounds.is_none() || batch.is_empty() {
            return;
        }
        let Some(store) = &mut self.store else { return self.lacks(batch, None) };
        let mut write = || store.write(&batch.events, &batch.minutes, &batch.dials, self.not_in_history);
        let written = match write() {
            // It may be as large as it may become.
            Err(e) if e.is_full() && store.trim(UtcTime::now()).is_ok() => {
                store.write(&batch.events, &batch.minutes, &batch.dials, self.not_in_history)
            }
            written => written,
        };
        match written {
            Ok(()) => {
                self.not_in_history = Lost::default();
                if self.told.history.take().is_some() {
                    tracing::info!("the history is written again; it says what is missing");
                }
                self.trim();
            }
            Err(e) => {
                if e.is_damage() {
                    // The next batch opens it again, and moves it aside.
                    self.store = None;
                }
                self.lacks(batch, Some(e.to_string()));
            }
        }
    }

    /// Notes that `batch` is lost, and says why once.
    fn lacks(&mut self, batch: &Batch, why: Option<String>) {
        let lost = Lost {
            events: batch.events.len() as u64,
            minutes: batch.minutes.len() as u64,
            dials: batch.dials.len() as u64,
        };
        self.not_in_history = self.not_in_history.and(lost);
        self.told.lost = self.told.lost.and(lost);
        if let Some(why) = why
            && self.told.history.replace(why.clone()).is_none()
        {
            tracing::warn!("{why}; the limit goes on, and the history will say what is missing");
        }
    }

    /// Whether there is to be a history that could not be opened yet.
    fn is_to_be_opened(&self) -> bool {
        self.bounds.is_some() && self.store.is_none()
    }

    fn open(&mut self) {
        let Some(bounds) = self.bounds.filter(|_| self.store.is_none()) else { return };
        match Store::open(&self.state, bounds) {
            Ok(store) => {
                self.store = Some(store);
                if self.not_in_history.is_none() {
                    self.told.history = None;
                }
            }
            Err(e) => {
                if self.told.history.replace(e.to_string()).is_none() {
                    tracing::warn!("there is no history: {e}; the limit goes on");
                }
            }
        }
    }

    fn trim(&mut self) {
        if self.trimmed.is_some_and(|at| at.elapsed() < TRIMMED_EVERY) {
            return;
        }
        self.trimmed = Some(Instant::now());
        if let Some(store) = &mut self.store
            && let Err(e) = store.trim(UtcTime::now())
        {
            tracing::warn!("{e}");
        }
    }
}
