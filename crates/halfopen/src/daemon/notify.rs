//! Tells the service manager the daemon's state, and that it is alive (`sd_notify`).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Sends `state`, such as `READY=1`, to the service manager if one started this process and asked for it.
pub fn tell(state: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(e) = send(&address, state)
    {
        tracing::warn!(
            "cannot send {state} to the service manager at NOTIFY_SOCKET={}: {e}",
            address.display()
        );
    }
}

/// The service manager's watchdog. It kills the daemon as hung if the daemon does not report in time.
#[derive(Debug)]
pub struct Watchdog(Option<Interval>);

impl Watchdog {
    /// The watchdog of `WATCHDOG_USEC`. If nobody watches, it never reports.
    #[must_use]
    pub fn of_this_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        let patience = watched(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        Self(patience.map(|patience| {
            let mut turns = interval(patience / 2);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            turns
        }))
    }

    /// Waits until half of the watchdog's time is over, then reports. Await this only in the loop that is watched: a
    /// hung loop must not keep reporting.
    pub async fn report(&mut self) {
        match &mut self.0 {
            Some(turns) => {
                turns.tick().await;
                tell("WATCHDOG=1");
            }
            None => std::future::pending().await,
        }
    }
}

/// How long the service manager waits for a sign of life, if it waits for this process.
fn watched(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let meant = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let patience = Duration::from_micros(microseconds?.parse().ok()?);
    (meant && patience >= Duration::from_millis(2)).then_some(patience)
}

/// `address` is a path, or `@` and an abstract name.
fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        socket.set_nonblocking(true).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_both_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        assert_eq!(received(&by_path), "READY=1");

        let name = format!("halfopen-notify-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_address).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        assert_eq!(received(&by_name), "STOPPING=1");
    }

    #[test]
    fn only_the_process_that_is_watched_reports() {
        let own = std::process::id().to_string();
        assert_eq!(watched(Some("30000000"), None), Some(Duration::from_secs(30)));
        assert_eq!(watched(Some("30000000"), Some(&own)), Some(Duration::from_secs(30)));
        assert_eq!(watched(Some("30000000"), Some("1")), None);
        assert_eq!(watched(Some("0"), None), None);
        assert_eq!(watched(Some("soon"), None), None);
        assert_eq!(watched(None, Some(&own)), None);
    }
}
