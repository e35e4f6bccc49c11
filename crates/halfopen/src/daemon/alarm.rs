//! A precise timer: a slot stays idle for as long as its waiter is woken late.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Rings once, at a time of the monotonic clock.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set: Option<Duration>,
}

impl Alarm {
    /// A timer that is not set yet.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: super::readiness(timer)?, set: None })
    }

    /// Sets the timer to ring at `at`, or at once if that time has passed. `None` stops it.
    ///
    /// # Errors
    /// None that a time can cause.
    pub fn set(&mut self, at: Option<Duration>) -> io::Result<()> {
        if self.set == at {
            return Ok(());
        }
        // A value of zero would stop the timer.
        let it_value = match at {
            Some(at) => at.max(Duration::from_nanos(1)).try_into().map_err(io::Error::other)?,
            None => Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let when = Itimerspec { it_interval: once, it_value };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &when)?;
        self.set = at;
        Ok(())
    }

    /// Waits until the timer rings.
    ///
    /// # Errors
    /// If the runtime is ending.
    pub async fn rings(&mut self) -> io::Result<()> {
        let mut ready = self.timer.readable().await?;
        let mut count = [0; 8];
        // If the timer was set again meanwhile, there is nothing to read.
        let _ = rustix::io::read(ready.get_inner(), &mut count);
        ready.clear_ready();
        drop(ready);
        self.set = None;
        Ok(())
    }
}
