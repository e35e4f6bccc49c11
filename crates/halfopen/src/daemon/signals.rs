//! The signals that the daemon heeds.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// All of them, each with what has arrived of it.
pub struct Signals {
    /// Read the files again.
    pub hangup: Signal,
    /// End the limit.
    pub interrupt: Signal,
    /// End the limit.
    pub terminate: Signal,
    /// Leave the limit to the next daemon.
    pub hand_over: Signal,
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for any of them. Returns whether it ends the daemon.
    pub async fn ended_or_hung_up(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            _ = self.hand_over.recv() => true,
            _ = self.hangup.recv() => false,
        }
    }
}
