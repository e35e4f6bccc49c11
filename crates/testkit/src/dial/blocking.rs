use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::Socket;

use super::{Dial, Line, Outcome, Spec, Voice, due, outcome};
use crate::LabError;

const STACK: usize = 64 << 10;

pub(super) fn dial<W: Write + Send>(
    spec: &Spec,
    task: usize,
    threads: usize,
    voice: &Voice<W>,
) -> Result<Vec<Socket>, LabError> {
    let (next, kept, start) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= spec.destinations.len() {
            return;
        }
        std::thread::sleep(due(spec, index).saturating_sub(start.elapsed()));
        if let Some(socket) = connect(spec, task, index, voice) {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, spec.destinations.len().max(1)) {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)
                .map_err(LabError::io("start a dialling thread"))?;
        }
        Ok::<_, LabError>(())
    })?;
    voice.say(&Line::AllDialled(task));
    Ok(kept.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn connect<W: Write>(spec: &Spec, task: usize, index: usize, voice: &Voice<W>) -> Option<Socket> {
    let dial = Dial::begin(spec, task, index);
    let socket = dial.socket(spec).and_then(|socket| {
        // SO_SNDTIMEO is what bounds a blocking connect().
        if let Some(patience) = spec.patience_ms {
            socket.set_write_timeout(Some(Duration::from_millis(patience)))?;
        }
        Ok(socket)
    });
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            voice.say(&dial.end(None, outcome(&error)));
            return None;
        }
    };
    let outcome = match socket.connect(&dial.address(spec).into()) {
        Ok(()) => Outcome::Connected,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => Outcome::Cancelled,
        Err(error) => outcome(&error),
    };
    voice.say(&dial.end(Some(&socket), outcome));
    (outcome == Outcome::Connected && spec.keep).then_some(socket)
}
