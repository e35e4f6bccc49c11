//! Attempts from sockets with options of their own, which tell them when asked.

use super::PATIENCE;
use crate::script;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

pub const USER_TIMEOUT_MS: u32 = 45_000;
pub const SYN_COUNT: u32 = 3;

/// The arguments of python3 that dial `destinations` so.
pub fn arguments(destinations: &[SocketAddr]) -> Vec<String> {
    let mut arguments = vec![
        script("own_options.py").display().to_string(),
        USER_TIMEOUT_MS.to_string(),
        SYN_COUNT.to_string(),
    ];
    arguments.extend(destinations.iter().map(ToString::to_string));
    arguments
}

/// A process that has dialled; ended, with its sockets, when dropped.
pub struct OwnOptions {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
}

impl OwnOptions {
    /// Starts `command`, which ends in [`arguments`], and waits until it has dialled.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (line, said) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let stdin = child.stdin.take();
        let started = Self { child, stdin, said };
        assert_eq!(started.hear(), "dialled");
        started
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The sockets' user timeouts in ms and SYN counts now.
    pub fn options(&mut self) -> Vec<(u32, u32)> {
        writeln!(self.stdin.as_mut().unwrap()).unwrap();
        serde_json::from_str(&self.hear()).unwrap()
    }

    /// Lets it end by itself; how it ended.
    pub fn end(mut self) -> Option<i32> {
        drop(self.stdin.take());
        self.child.wait().unwrap().code()
    }

    fn hear(&self) -> String {
        self.said.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("the dialer says nothing: {e}"))
    }
}

impl Drop for OwnOptions {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
