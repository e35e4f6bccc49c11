//! The process that has the connection.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::endings::orders::{Answer, How, Order};
use crate::{Cgroup, LabError, Namespace, artifact};

/// A process that does with its connection as it is told. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Holder {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Holder {
    pub fn start(namespace: &Namespace, cgroup: &Cgroup) -> Result<Self, LabError> {
        let program = artifact("lab-socket", "LAB_SOCKET")?;
        let mut child = namespace
            .command_in(cgroup, program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(LabError::io("run lab-socket"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Connects; from where.
    pub fn connect(&mut self, to: SocketAddr, how: How) -> Result<SocketAddr, LabError> {
        let answer = self.follow(Order::Connect { to, how })?;
        answer.local.ok_or_else(|| unreadable(&Order::Connect { to, how }, &answer))
    }

    /// Has it do something, and waits until it has.
    pub fn follow(&mut self, order: Order) -> Result<Answer, LabError> {
        self.tell(order)?;
        self.answer(&order)
    }

    /// Has it do something that fails.
    pub fn fail(&mut self, order: Order) -> Result<(), LabError> {
        self.tell(order)?;
        self.fail_told(&order)
    }

    /// Waits until what it was told has failed.
    pub fn fail_told(&mut self, order: &Order) -> Result<(), LabError> {
        match self.answer(order) {
            Err(LabError::Io { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(answer) => Err(unreadable(order, &answer)),
        }
    }

    /// Tells it what to do.
    pub fn tell(&mut self, order: Order) -> Result<(), LabError> {
        let line = serde_json::to_string(&order).map_err(std::io::Error::from);
        line.and_then(|line| writeln!(self.stdin, "{line}"))
            .map_err(LabError::io(format!("tell lab-socket to {order:?}")))
    }

    /// Waits until what it was told is done.
    pub fn answer(&mut self, order: &Order) -> Result<Answer, LabError> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(LabError::io("hear lab-socket"))?;
        let answer: Answer = serde_json::from_str(&line).map_err(|error| LabError::Unreadable {
            from: "lab-socket".to_owned(),
            reason: error.to_string(),
            text: line,
        })?;
        match answer.error {
            Some(error) => Err(LabError::io(format!("{order:?}"))(std::io::Error::other(error))),
            None => Ok(answer),
        }
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) -> Result<(), LabError> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(LabError::io("kill lab-socket"))
    }

    /// Has it end by itself.
    pub fn exit(&mut self) -> Result<(), LabError> {
        self.tell(Order::Exit)?;
        self.child.wait().map(drop).map_err(LabError::io("wait for lab-socket"))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a process that is not a child by SIGKILL.
pub(super) fn kill(pid: u32) -> Result<(), LabError> {
    let process = Pid::from_raw(pid.cast_signed());
    process
        .map_or(Err(rustix::io::Errno::SRCH), |process| kill_process(process, Signal::KILL))
        .map_err(LabError::errno(format!("kill the process {pid}")))
}

fn unreadable(order: &Order, answer: &Answer) -> LabError {
    LabError::Unreadable {
        from: "lab-socket".to_owned(),
        reason: format!("told to {order:?}"),
        text: format!("{answer:?}"),
    }
}
