//! Real servers beside the lab's own listener.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{LabError, Namespace, tool};

const START: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);

/// A server in the foreground. Dropping it ends it by SIGKILL.
#[derive(Debug)]
pub struct Service {
    child: Child,
}

impl Service {
    /// Runs `command` and waits until `ready` says so.
    ///
    /// # Errors
    /// When it cannot be run, ends, or is not ready in time.
    pub fn start(command: &mut Command, mut ready: impl FnMut() -> bool) -> Result<Self, LabError> {
        let shown = tool::shown(command);
        let said =
            tempfile::NamedTempFile::new().map_err(LabError::io("make a file for a server's words"))?;
        let side = said.as_file().try_clone().map_err(LabError::io("duplicate a file"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(side)
            .spawn()
            .map_err(LabError::io(format!("run `{shown}`")))?;
        let mut service = Self { child };
        let deadline = Instant::now() + START;
        while !ready() {
            let ended = service.child.try_wait().map_err(LabError::io(format!("ask after `{shown}`")))?;
            if let Some(status) = ended {
                let stderr = std::fs::read_to_string(said.path()).unwrap_or_default();
                return Err(LabError::NotReady { command: shown, status, stderr });
            }
            if Instant::now() > deadline {
                return Err(LabError::Late { what: format!("`{shown}` to serve"), waited: START });
            }
            std::thread::sleep(STEP);
        }
        Ok(service)
    }

    /// Runs `command` and waits until it accepts connections at `address`, as seen in `namespace`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn listening(
        command: &mut Command,
        namespace: &Namespace,
        address: SocketAddr,
    ) -> Result<Self, LabError> {
        Self::start(command, || {
            let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
            namespace.run(connect).unwrap_or(false)
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
