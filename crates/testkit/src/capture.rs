use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::packet::Packet;
use crate::world::LINK;
use crate::{LabError, Namespace};

/// A buffer for some 250,000 packets of [`SNAP`] bytes between the kernel and tcpdump.
const BUFFER_KIB: &str = "131072";
const SNAP: &str = "160";
/// The discard port: what is sent there marks a point of the recording.
const MARK: u16 = 9;
const FILTER: &str = "(tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or (ip6[6] == 6 and ip6[53] & 6 != 0) \
                      or icmp[icmptype] == icmp-unreach or (ip6[6] == 58 and ip6[40] == 1) or udp dst port 9";
/// The same with all other segments of TCP.
const EVERY_SEGMENT: &str = "tcp or (ip6[6] == 6) or icmp[icmptype] == icmp-unreach or (ip6[6] == 58 and ip6[40] == 1) \
                             or udp dst port 9";
const PATIENCE: Duration = Duration::from_secs(20);

const HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET: u32 = 1;
const ETHERNET_HEADER: usize = 14;
const NANOSECONDS_MAGIC: u32 = 0xa1b2_3c4d;

/// Which end of the link to record at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What arrives at the world and what it answers.
    World,
    /// What leaves the client and what arrives there.
    Client,
}

/// What a recorded packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A SYN without ACK, with its sequence number: a repeated SYN has that of the first.
    Syn(u32),
    /// A SYN with ACK.
    SynAck,
    /// A RST.
    Reset,
    /// Any other segment of a connection, with its flags. Only a recording of every segment has them.
    Later(u8),
    /// An ICMP destination unreachable about a TCP packet. Its `from` and `to` are turned round to be those of an
    /// answer by the address asked.
    Unreachable,
}

/// A recorded packet that begins or ends an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When the kernel handed it over, by the wall clock since the Unix epoch.
    pub at: Duration,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who it is for.
    pub to: SocketAddr,
}

/// A finished recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// All of it in the order of time.
    pub segments: Vec<Segment>,
    /// How many packets the kernel could not hand over. Only with 0 the recording is whole.
    pub lost: u64,
}

impl Captured {
    /// The segments of a recording that must be whole.
    ///
    /// # Panics
    /// When packets were lost: the recording then proves nothing.
    #[must_use]
    pub fn whole(&self) -> &[Segment] {
        assert_eq!(self.lost, 0, "the recording lost packets");
        &self.segments
    }
}

/// A recording of SYNs and their answers, made by tcpdump.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Child,
    stderr: Receiver<String>,
    file: File,
    unread: Vec<u8>,
    link_type: Option<u32>,
    segments: Vec<Segment>,
    marks: u64,
    marks_seen: u64,
    marker: UdpSocket,
    _directory: TempDir,
}

impl Capture {
    pub(crate) fn start(namespace: &Namespace, peer: IpAddr) -> Result<Self, LabError> {
        Self::start_with(namespace, peer, FILTER)
    }

    pub(crate) fn start_of_every_segment(namespace: &Namespace, peer: IpAddr) -> Result<Self, LabError> {
        Self::start_with(namespace, peer, EVERY_SEGMENT)
    }

    fn start_with(namespace: &Namespace, peer: IpAddr, filter: &str) -> Result<Self, LabError> {
        let directory = tempfile::tempdir().map_err(LabError::io("make a directory for the recording"))?;
        let path = directory.path().join("lab.pcap");
        let mut command = namespace.command("tcpdump");
        // Immediate mode hands over each packet as it comes, not when a block is full or a second has passed.
        command
            .args(["-i", LINK, "-n", "-p", "-U", "--immediate-mode", "--time-stamp-precision=nano"])
            .args(["-s", SNAP, "-B", BUFFER_KIB, "-Z", "root", "-w"])
            .arg(&path)
            .arg(filter)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut tcpdump = command.spawn().map_err(LabError::io("run tcpdump"))?;
        let (said, stderr) = channel();
        if let Some(pipe) = tcpdump.stderr.take() {
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| said.send(line))
            });
        }
        let marker = namespace
            .run(|| {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                socket.connect((peer, MARK)).map(|()| socket)
            })?
            .map_err(LabError::io("make the socket that marks the recording"))?;
        let listening = await_line(&mut tcpdump, &stderr, "listening on");
        let file = listening.and_then(|_| File::open(&path).map_err(LabError::io("open the recording")));
        match file {
            Ok(file) => Ok(Self {
                tcpdump,
                stderr,
                file,
                unread: Vec::new(),
                link_type: None,
                segments: Vec::new(),
                marks: 0,
                marks_seen: 0,
                marker,
                _directory: directory,
            }),
            Err(error) => {
                end(&mut tcpdump);
                Err(error)
            }
        }
    }

    /// What has been recorded so far, all that crossed before this call included, in the order of time.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn segments(&mut self) -> Result<&[Segment], LabError> {
        self.marks += 1;
        let deadline = Instant::now() + PATIENCE;
        let mut sent_at: Option<Instant> = None;
        while self.marks_seen < self.marks {
            if Instant::now() > deadline {
                return Err(LabError::Late { what: "tcpdump to catch up".to_owned(), waited: PATIENCE });
            }
            if sent_at.is_none_or(|at| at.elapsed() > Duration::from_millis(200)) {
                // An ICMP error about an earlier mark is reported at the next, which is then not sent.
                while self.marker.send(&self.marks.to_ne_bytes()).is_err() && Instant::now() < deadline {}
                sent_at = Some(Instant::now());
            }
            sleep(Duration::from_millis(1));
            self.read()?;
        }
        // The two directions are stamped on different processors.
        self.segments.sort_by_key(|segment| segment.at);
        Ok(&self.segments)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn finish(mut self) -> Result<Captured, LabError> {
        self.segments()?;
        interrupt(&self.tcpdump)?;
        let line = await_line(&mut self.tcpdump, &self.stderr, "dropped by kernel")?;
        let lost = line.split(' ').next().and_then(|count| count.parse().ok());
        let lost = lost.ok_or_else(|| LabError::Unreadable {
            from: "tcpdump".to_owned(),
            reason: "no count of dropped packets".to_owned(),
            text: line.clone(),
        })?;
        Ok(Captured { segments: std::mem::take(&mut self.segments), lost })
    }

    fn read(&mut self) -> Result<(), LabError> {
        self.file.read_to_end(&mut self.unread).map_err(LabError::io("read the recording"))?;
        let mut at = 0;
        while let Some(used) = self.record(at)? {
            at += used;
        }
        self.unread.drain(..at);
        Ok(())
    }

    /// Reads the header or the record that starts `at`; how long it is, `None` if not all of it is there.
    fn record(&mut self, at: usize) -> Result<Option<usize>, LabError> {
        let bytes = &self.unread[at..];
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let Some(link_type) = self.link_type else {
            let (Some(magic), Some(link_type)) = (word(0), word(20)) else { return Ok(None) };
            if magic != NANOSECONDS_MAGIC {
                let offset = self.file.stream_position().unwrap_or_default();
                return Err(LabError::Unreadable {
                    from: "tcpdump".to_owned(),
                    reason: format!("no pcap header in the first {offset} bytes"),
                    text: format!("{magic:#x}"),
                });
            }
            self.link_type = Some(link_type);
            return Ok(Some(HEADER));
        };
        let (Some(seconds), Some(nanoseconds), Some(length)) = (word(0), word(4), word(8)) else {
            return Ok(None);
        };
        let length = RECORD_HEADER + length as usize;
        let Some(packet) = bytes.get(RECORD_HEADER..length) else { return Ok(None) };
        let packet = if link_type == ETHERNET { packet.get(ETHERNET_HEADER..) } else { Some(packet) };
        let at = Duration::new(seconds.into(), nanoseconds);
        let segment = |kind, from, to| Segment { at, kind, from, to };
        match packet.and_then(Packet::read) {
            Some(Packet::Syn { from, to, sequence }) => {
                self.segments.push(segment(Kind::Syn(sequence), from, to));
            }
            Some(Packet::SynAck { from, to }) => self.segments.push(segment(Kind::SynAck, from, to)),
            Some(Packet::Reset { from, to }) => self.segments.push(segment(Kind::Reset, from, to)),
            Some(Packet::Later { from, to, flags }) => {
                self.segments.push(segment(Kind::Later(flags), from, to));
            }
            Some(Packet::Unreachable { from, to }) => {
                self.segments.push(segment(Kind::Unreachable, to, from));
            }
            Some(Packet::Udp { to, payload }) if to.port() == MARK => {
                let mark = payload.try_into().map_or(0, u64::from_ne_bytes);
                self.marks_seen = self.marks_seen.max(mark);
            }
            _ => {}
        }
        Ok(Some(length))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        end(&mut self.tcpdump);
    }
}

fn interrupt(tcpdump: &Child) -> Result<(), LabError> {
    let pid = Pid::from_child(tcpdump);
    kill_process(pid, Signal::INT).map_err(LabError::errno(format!("interrupt tcpdump, process {pid}")))
}

fn end(tcpdump: &mut Child) {
    // Both fail only where it has ended already.
    let _ = tcpdump.kill();
    let _ = tcpdump.wait();
}

fn await_line(tcpdump: &mut Child, stderr: &Receiver<String>, wanted: &str) -> Result<String, LabError> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    while let Ok(line) = stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line.contains(wanted) {
            return Ok(line);
        }
        said.push(line);
    }
    match tcpdump.try_wait() {
        Ok(Some(status)) => {
            Err(LabError::Tool { command: "tcpdump".to_owned(), status, stderr: said.join("\n") })
        }
        _ => Err(LabError::Late { what: format!("tcpdump to say `{wanted}`"), waited: PATIENCE }),
    }
}
