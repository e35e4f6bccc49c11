use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use socket2::Socket;

use super::{Dial, Line, Outcome, Spec, Voice, due, outcome};
use crate::LabError;

/// How many dials to begin before looking for outcomes: few enough that reports stay punctual.
const BATCH: usize = 8;

pub(super) fn dial<W: Write>(spec: &Spec, task: usize, voice: &Voice<W>) -> Result<Vec<Socket>, LabError> {
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(LabError::errno("make an epoll"))?;
    let mut dialling = Dialling {
        spec,
        task,
        voice,
        epoll,
        open: HashMap::new(),
        by_age: VecDeque::new(),
        kept: Vec::new(),
        connected: 0,
    };
    let mut start = Instant::now();
    let (mut next, mut all_dialled, mut delayed) = (0, false, false);
    loop {
        for _ in 0..BATCH {
            let due_at = start + due(spec, next);
            if next == spec.destinations.len() || Instant::now() < due_at || dialling.has_enough() {
                break;
            }
            if dialling.is_full() {
                delayed = true;
                break;
            }
            if std::mem::take(&mut delayed) {
                start += due_at.elapsed();
            }
            dialling.begin(next);
            next += 1;
        }
        dialling.give_up();
        let through = next == spec.destinations.len() || dialling.has_enough();
        if through && !std::mem::replace(&mut all_dialled, true) {
            voice.say(&Line::AllDialled(task));
        }
        if through && dialling.open.is_empty() {
            return Ok(dialling.kept);
        }
        let next_dial = (!through && !dialling.is_full()).then(|| start + due(spec, next));
        dialling.await_outcomes(next_dial)?;
    }
}

struct Dialling<'a, W> {
    spec: &'a Spec,
    task: usize,
    voice: &'a Voice<W>,
    epoll: OwnedFd,
    open: HashMap<u64, (Dial, Socket)>,
    /// All are given the same patience, so the oldest loses it first.
    by_age: VecDeque<(Instant, u64)>,
    kept: Vec<Socket>,
    connected: usize,
}

impl<W: Write> Dialling<'_, W> {
    fn is_full(&self) -> bool {
        self.spec.at_a_time.is_some_and(|most| self.open.len() >= most)
    }

    fn has_enough(&self) -> bool {
        self.spec.enough.is_some_and(|enough| self.connected >= enough)
    }

    fn begin(&mut self, index: usize) {
        let dial = Dial::begin(self.spec, self.task, index);
        let socket = dial.socket(self.spec).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return self.voice.say(&dial.end(None, outcome(&error))),
        };
        match socket.connect(&dial.address(self.spec).into()) {
            Ok(()) => self.finish(&dial, socket, Outcome::Connected),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {
                let id = index as u64;
                match epoll::add(&self.epoll, &socket, EventData::new_u64(id), EventFlags::OUT) {
                    Ok(()) => {
                        self.by_age.push_back((dial.started, id));
                        self.open.insert(id, (dial, socket));
                    }
                    Err(errno) => self.finish(&dial, socket, Outcome::Errno(errno.raw_os_error())),
                }
            }
            Err(error) => self.finish(&dial, socket, outcome(&error)),
        }
    }

    fn finish(&mut self, dial: &Dial, socket: Socket, outcome: Outcome) {
        self.voice.say(&dial.end(Some(&socket), outcome));
        self.connected += usize::from(outcome == Outcome::Connected);
        if outcome == Outcome::Connected && self.spec.keep {
            // It stays in the epoll else, where it is writable for ever.
            if let Err(error) = epoll::delete(&self.epoll, &socket) {
                tracing::debug!(%error, "the connection was established at once");
            }
            self.kept.push(socket);
        }
    }

    fn give_up(&mut self) {
        let Some(patience) = self.spec.patience_ms.map(Duration::from_millis) else { return };
        while let Some((started, id)) = self.by_age.front().copied() {
            if started.elapsed() < patience {
                return;
            }
            self.by_age.pop_front();
            if let Some((dial, socket)) = self.open.remove(&id) {
                self.finish(&dial, socket, Outcome::Cancelled);
            }
        }
    }

    fn await_outcomes(&mut self, next_dial: Option<Instant>) -> Result<(), LabError> {
        let patience = self.spec.patience_ms.map(Duration::from_millis);
        let next_loss = patience.zip(self.by_age.front()).map(|(patience, (started, _))| *started + patience);
        let until = next_dial.into_iter().chain(next_loss).min();
        let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
        // `None` is to wait without end; all spans here fit.
        let timeout = timeout.and_then(|wait| Timespec::try_from(wait).ok());
        let mut events = Vec::with_capacity(1024);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(LabError::errno("wait for outcomes")(errno)),
        }
        for event in events {
            let Some((dial, socket)) = self.open.remove(&event.data.u64()) else { continue };
            let outcome = match socket.take_error() {
                Ok(None) => Outcome::Connected,
                Ok(Some(error)) | Err(error) => outcome(&error),
            };
            self.finish(&dial, socket, outcome);
        }
        Ok(())
    }
}
