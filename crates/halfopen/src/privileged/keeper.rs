//! Starts the privileged helper, and restarts it if it ends before the daemon does. The keeper reads nothing: it holds
//! the socket open, so that the daemon's end stays connected, and waits.

use super::serving::{self, Turn};
use super::{Reach, at_socket};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_name;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// A helper that has served for this long is restarted at once.
const WORTH: Duration = Duration::from_secs(10);
/// The pauses before a helper that ended sooner is restarted.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps a privileged helper for the daemon at the other end of standard input.
///
/// # Errors
/// If standard input is not such a socket, or if the first helper cannot be started.
pub fn keep(reach: &Reach) -> Result<()> {
    at_socket(io::stdin())?;
    // The kernel cuts it to 15 bytes; ps shows it.
    let _ = set_name(c"halfopen-keeper");
    serving::keep_little()?;
    let mut turn = Turn::First;
    let mut pause = Duration::ZERO;
    loop {
        let began = Instant::now();
        let mut command = Command::new("/proc/self/exe");
        command.arg0("halfopen").args(reach.arguments()).arg("--serve").arg(turn.name());
        match command.spawn().and_then(|mut helper| helper.wait()) {
            Ok(ended) if ended.success() => return Ok(()),
            Ok(ended) => tracing::error!("the privileged helper ended ({ended}): restarting it"),
            Err(e) if turn == Turn::First => return Err(e).context("cannot start the privileged helper"),
            Err(e) => tracing::error!("cannot restart the privileged helper: {e}"),
        }
        turn = Turn::Again;
        pause = match pause {
            _ if began.elapsed() >= WORTH => Duration::ZERO,
            Duration::ZERO => FIRST_PAUSE,
            pause => (pause * 2).min(LONGEST_PAUSE),
        };
        if daemon_ends_within(pause)? {
            return Ok(());
        }
    }
}

/// Whether the daemon closes the other end of standard input within `pause`.
fn daemon_ends_within(pause: Duration) -> io::Result<bool> {
    let socket = io::stdin();
    let end = Instant::now() + pause;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        // No events are asked for: poll always reports that the other side has closed.
        match poll(&mut [PollFd::new(&socket, PollFlags::empty())], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
