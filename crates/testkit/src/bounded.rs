//! Running a program that may not end by itself.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::{LabError, tool};

/// What a program did until it ended or its time was over.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; `None` if it had to be ended.
    pub status: Option<ExitStatus>,
    /// From its start to its end.
    pub wall: Duration,
    /// What it said.
    pub stdout: String,
    /// What it said to the side.
    pub stderr: String,
}

impl Ran {
    /// Whether it ended by itself and reports success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs `command` for `limit` at most, then ends it by SIGKILL. What it has started itself ends with its cgroup.
///
/// # Errors
/// When it cannot be run or waited for.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<Ran, LabError> {
    let shown = tool::shown(command);
    // Files, not pipes: children that it leaves behind would keep a pipe open.
    let file = || tempfile::tempfile().map_err(LabError::io("make a file for a program's output"));
    let (mut stdout, mut stderr) = (file()?, file()?);
    let clone = |file: &File| file.try_clone().map_err(LabError::io("duplicate a file"));
    command.stdin(Stdio::null()).stdout(clone(&stdout)?).stderr(clone(&stderr)?);
    let start = Instant::now();
    let mut child = command.spawn().map_err(LabError::io(format!("run `{shown}`")))?;
    let in_time = await_end(&child, limit);
    if !matches!(in_time, Ok(true)) {
        // It may have ended since.
        let _ = child.kill();
    }
    let wall = start.elapsed();
    let status = child.wait().map_err(LabError::io(format!("wait for `{shown}`")))?;
    let status = in_time?.then_some(status);
    Ok(Ran { status, wall, stdout: said(&mut stdout)?, stderr: said(&mut stderr)? })
}

fn await_end(child: &Child, limit: Duration) -> Result<bool, LabError> {
    let failed = || LabError::errno("wait for a program");
    let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).map_err(failed())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        match poll(&mut watched, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(failed()(errno)),
        }
    }
}

fn said(file: &mut File) -> Result<String, LabError> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(LabError::io("read what a program said"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
