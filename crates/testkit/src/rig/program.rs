//! A small Python program at work in a lab: lines of JSON in and out.

use crate::{Cgroup, Namespace, script};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Ended, with all its sockets, when dropped.
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<Value>,
}

impl Program {
    /// Runs `programs/NAME`.
    pub fn start(namespace: &Namespace, cgroup: &Cgroup, name: &str, arguments: &[String]) -> Self {
        let mut command = namespace.command_in(cgroup, "python3");
        command.arg(script(name)).args(arguments);
        Self::spawn(command)
    }

    /// Runs a command that says lines of JSON.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (line, said) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.filter_map(|text| serde_json::from_str(&text).ok()).try_for_each(|value| line.send(value))
        });
        Self { child, stdin, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, line: &Value) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// The next line it says.
    pub fn hear(&self, patience: Duration) -> Value {
        self.said.recv_timeout(patience).unwrap_or_else(|error| panic!("the program says nothing: {error}"))
    }

    /// Ends it by SIGKILL; returns when its sockets are closed.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
