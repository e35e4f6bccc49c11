//! The process that sends events, as the daemon sees it.

use super::Sends;
use super::message::{Counts, LONGEST, Told, Trouble};
use crate::events::Event;
use crate::recorder::spawn;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long it may take to end with the daemon: it tries once more to send what waits.
const END: Duration = Duration::from_secs(3);

/// The process as the daemon sees it. It ends when this is dropped.
#[derive(Debug)]
pub struct Exporter {
    /// `None` = it has ended, or could not be started.
    socket: Option<OwnedFd>,
    process: Option<Child>,
    /// Events that it took.
    taken: u64,
    /// Events that it did not take, or that are lost with it.
    not_taken: u64,
    told: Told,
}

impl Exporter {
    /// Starts it. Call this before the daemon is sandboxed. The limit goes on without it.
    #[must_use]
    pub fn start(sends: &Sends) -> Self {
        let (socket, process) = match spawn(sends.arguments(), SocketType::SEQPACKET) {
            Ok((socket, process)) => (Some(socket), Some(process)),
            Err(e) => {
                tracing::error!("cannot start the process that sends events to {}: {e}", sends.endpoint);
                (None, None)
            }
        };
        Self { socket, process, taken: 0, not_taken: 0, told: Told::default() }
    }

    /// Hands an event over, without waiting: the kernel keeps dozens of them while the process is busy.
    pub fn event(&mut self, event: &Event) {
        // An event is made of texts and numbers, so this cannot fail.
        let bytes = serde_json::to_vec(event).unwrap_or_default();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let taken = match &self.socket {
            Some(socket) if bytes.len() <= LONGEST => send(socket, &bytes, flags).is_ok(),
            _ => false,
        };
        *(if taken { &mut self.taken } else { &mut self.not_taken }) += 1;
    }

    /// Reads what it says. Call this every second.
    pub fn tend(&mut self) {
        let mut bytes = [0; 4_096];
        while let Some(socket) = &self.socket {
            let length = match recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((_, length @ 1..)) => length,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Ok(_) | Err(_) => {
                    self.is_gone();
                    break;
                }
            };
            match serde_json::from_slice(&bytes[..length.min(4_096)]) {
                Ok(told) => self.told = told,
                Err(e) => tracing::warn!("the process that sends events says what nobody understands: {e}"),
            }
        }
        if let (None, Some(process)) = (&self.socket, &mut self.process) {
            // Reaps it, so that no zombie stays.
            let _ = process.try_wait();
        }
    }

    fn is_gone(&mut self) {
        self.socket = None;
        self.told.counts.waiting = 0;
        let settled = self.told.counts.sent + self.told.counts.lost();
        self.not_taken += std::mem::take(&mut self.taken).saturating_sub(settled);
        if !matches!(self.told.trouble, Some(Trouble::Setup(_))) {
            self.told.trouble = Some(Trouble::Ended);
            tracing::error!(
                "the process that sends events has ended: they are only in the log and in `halfopen events`"
            );
        }
    }

    /// What has become of events.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { not_taken: self.not_taken, ..self.told.counts }
    }

    /// Why the collector lacks events, and how many; `None` if it takes them.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let ended = self.socket.is_none().then_some(&Trouble::Ended);
        let trouble = self.told.trouble.as_ref().or(ended)?;
        let counts = self.counts();
        Some(format!("{trouble}; waiting: {}, lost so far: {} events", counts.waiting, counts.lost()))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.socket = None;
        let end = Instant::now() + END;
        let Some(process) = &mut self.process else { return };
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
