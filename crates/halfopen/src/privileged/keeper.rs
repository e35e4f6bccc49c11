//! Starts the privileged helper, and again where it has ended before the daemon. It reads nothing at all: it holds the socket open, so
//! that the daemon's end of it stays good, and waits.

use super::serving::{self, Turn};
use super::{Reach, at_socket};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_name;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// One that has served for so long is started again at once.
const WORTH: Duration = Duration::from_secs(10);
/// The pauses before one that ends sooner is.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Keeps a privileged helper for the daemon at the other end of standard input.
///
/// # Errors
/// Where standard input is no such socket, and where no process can be started at first.
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
            Ok(ended) => tracing::error!("the privileged helper has ended ({ended}): it is started again"),
            Err(e) if turn == Turn::First => return Err(e).context("starting the privileged helper"),
            Err(e) => tracing::error!("starting the privileged helper again: {e}"),
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

/// Whether the other end of standard input is closed by then.
fn daemon_ends_within(pause: Duration) -> io::Result<bool> {
    let socket = io::stdin();
    let end = Instant::now() + pause;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        // No events: only the end of the other side is of interest, and is always told.
        match poll(&mut [PollFd::new(&socket, PollFlags::empty())], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
