//! What becomes of tracked connections, by the kernel's own events: between two looks at a list much can be missed. Some
//! thousand connections a second are too many for it, and then it says so.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::nat::entries::{EntryState, ends};
use crate::{LabError, Namespace, WORLD_V4};

/// The discard port: connections to it mark a point of the journal. Nothing listens there.
const MARK: u16 = 9;
const PATIENCE: Duration = Duration::from_secs(20);
/// How long until a mark is repeated: one that was made before the journal listened is not in it.
const REPEAT: Duration = Duration::from_millis(100);
/// Of the socket that the events come by, in bytes.
const BUFFER: &str = "67108864";

/// How it begins to say what is no complaint.
const NOTICE: &str = "NOTICE: ";

/// The events of a NAT box's connections since it was begun, written down by `conntrack`.
#[derive(Debug)]
pub struct Journal<'a> {
    namespace: &'a Namespace,
    conntrack: Child,
    lines: Receiver<String>,
    /// What it says to the side: how it ended, or that events were lost.
    complaints: Receiver<String>,
    events: Vec<Event>,
}

/// A change of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who dialled, before translation.
    pub from: SocketAddr,
    /// Whom.
    pub to: SocketAddr,
    /// The state from now on; `None` if the entry is gone.
    pub state: Option<EntryState>,
}

impl<'a> Journal<'a> {
    pub(super) fn start(namespace: &'a Namespace) -> Result<Self, LabError> {
        let mut conntrack = namespace
            .command("conntrack")
            .args(["--event", "--proto", "tcp", "--buffer-size", BUFFER])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(LabError::io("run conntrack"))?;
        let (lines, complaints) = (hear(conntrack.stdout.take()), hear(conntrack.stderr.take()));
        let mut journal = Self { namespace, conntrack, lines, complaints, events: Vec::new() };
        journal.catch_up()?;
        Ok(journal)
    }

    /// All that has changed since it was begun, in order.
    ///
    /// # Errors
    /// When `conntrack` has ended or lost events, or does not catch up.
    pub fn events(&mut self) -> Result<&[Event], LabError> {
        self.catch_up()?;
        Ok(&self.events)
    }

    fn whole(&self) -> Result<(), LabError> {
        match self.complaints.try_iter().find(|line| !line.starts_with(NOTICE)) {
            None => Ok(()),
            Some(text) => {
                let reason = "it complains".to_owned();
                Err(LabError::Unreadable { from: "conntrack --event".to_owned(), reason, text })
            }
        }
    }

    /// Reads until a connection made now is in it.
    fn catch_up(&mut self) -> Result<(), LabError> {
        let deadline = Instant::now() + PATIENCE;
        let mut marks = HashSet::new();
        loop {
            let mark = self.namespace.run(mark)?.map_err(LabError::io("mark the journal of a NAT box"))?;
            marks.insert(mark);
            let repeat = Instant::now() + REPEAT;
            while let Ok(line) = self.lines.recv_timeout(repeat.saturating_duration_since(Instant::now())) {
                match event(&line) {
                    Some(event) if event.to.port() != MARK => self.events.push(event),
                    Some(event) if marks.contains(&event.from.port()) => return self.whole(),
                    _ => {}
                }
            }
            if let Some(status) = self.conntrack.try_wait().map_err(LabError::io("ask after conntrack"))? {
                let stderr = self.complaints.iter().collect::<Vec<_>>().join(" ");
                return Err(LabError::Tool { command: "conntrack --event".to_owned(), status, stderr });
            }
            if Instant::now() > deadline {
                return Err(LabError::Late { what: "conntrack to catch up".to_owned(), waited: PATIENCE });
            }
        }
    }
}

impl Drop for Journal<'_> {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.conntrack.kill();
        let _ = self.conntrack.wait();
    }
}

fn hear(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (said, lines) = channel();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| said.send(line))
        });
    }
    lines
}

/// Makes a connection that is refused; its port.
fn mark() -> io::Result<u16> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    let refused = socket.connect(&SocketAddr::from((WORLD_V4, MARK)).into());
    let port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
    match refused {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(port),
    }
}

/// `None` if it is no line about a connection in a known state.
fn event(line: &str) -> Option<Event> {
    let (from, to) = ends(line)?;
    let state = line.split_whitespace().find_map(EntryState::of);
    let gone = line.trim_start().starts_with("[DESTROY]");
    if !gone && state.is_none() { None } else { Some(Event { from, to, state: state.filter(|_| !gone) }) }
}

/// The most connections that were in such a state at once, among those with such events.
#[must_use]
pub fn most_at_once(
    events: &[Event],
    counts: impl Fn(EntryState) -> bool,
    among: impl Fn(&Event) -> bool,
) -> usize {
    let (mut now, mut most) = (HashSet::new(), 0);
    for event in events.iter().filter(|event| among(event)) {
        let key = (event.from, event.to);
        if event.state.is_some_and(&counts) {
            now.insert(key);
        } else {
            now.remove(&key);
        }
        most = most.max(now.len());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn lines_of_conntrack() {
        let line = "    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] \
                    src=10.0.0.2 dst=10.0.0.3 sport=2 dport=1";
        let (from, to) = (at("10.0.0.1:1"), at("10.0.0.2:2"));
        assert_eq!(event(line), Some(Event { from, to, state: Some(EntryState::SynSent) }));
        let gone = "[DESTROY] tcp      6 TIME_WAIT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.3 \
                    sport=2 dport=1 [ASSURED]";
        assert_eq!(event(gone), Some(Event { from, to, state: None }));
        assert_eq!(event("conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown."), None);
    }

    #[test]
    fn the_most_at_once_are_those_that_overlap() {
        let event = |from: &str, state| Event { from: at(from), to: at("10.0.0.2:2"), state };
        let (one, two) = ("10.0.0.1:1", "10.0.0.1:2");
        let open = Some(EntryState::Established);
        let apart =
            [event(one, open), event(one, Some(EntryState::TimeWait)), event(two, open), event(one, None)];
        let most = |events: &[Event]| most_at_once(events, EntryState::is_open, |_| true);
        assert_eq!(most(&apart), 1);
        assert_eq!(most_at_once(&apart, |_| true, |_| true), 2);
        assert_eq!(most_at_once(&apart, |_| true, |event| event.to.port() == 3), 0);
        assert_eq!(most(&[event(one, open), event(one, open), event(two, open)]), 2);
    }
}
