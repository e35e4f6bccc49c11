//! What the process with a connection is told and what it says: a line of JSON each way, an [`Order`] in, an [`Answer`]
//! out. It is a process of its own because some ways in which a connection ends are ways in which a process does.

use std::io::{self, BufRead, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg, sendto,
};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// How long a connect, and a read, may take at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// The TCP_USER_TIMEOUT of [`How::Impatient`].
const USER_TIMEOUT: Duration = Duration::from_secs(3);
/// The kernel's MSG_FASTOPEN.
const MSG_FASTOPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000);
const BYTE: &[u8] = b"x";

/// What to do with the one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    Connect {
        to: SocketAddr,
        how: How,
    },
    /// Listens and says where.
    Listen,
    Accept,
    /// A byte.
    Send,
    /// As much as fits.
    Fill,
    /// A byte.
    Read,
    /// Until there is something to read.
    Await,
    ShutWrite,
    ShutRead,
    Close,
    /// `SO_LINGER` of 0, and close.
    Reset,
    /// `connect` to `AF_UNSPEC`.
    Disconnect,
    /// From now on a child has the socket too.
    Share,
    EndShare,
    /// From now on another process has the socket too, by SCM_RIGHTS, and outlives this one. Its number is answered.
    Pass,
    /// No answer comes.
    Exit,
}

/// How to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By a socket of the address' family.
    Plain,
    /// To an IPv4 address, by a socket of IPv6.
    Mapped,
    /// By MPTCP.
    MultiPath,
    /// With a byte in the SYN.
    FastOpen,
    /// With a TCP_USER_TIMEOUT of 3 s.
    Impatient,
}

/// What came of an [`Order`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub error: Option<String>,
    pub local: Option<SocketAddr>,
    pub pid: Option<u32>,
}

/// Does as each line of `orders` says, until it ends.
///
/// # Errors
/// When a line is no order, or nobody listens.
pub fn serve(orders: impl BufRead, mut out: impl Write) -> io::Result<()> {
    let mut held = Held::default();
    for line in orders.lines() {
        let order = serde_json::from_str(&line?)?;
        if order == Order::Exit {
            std::process::exit(0);
        }
        let answer = match held.follow(order) {
            Ok(answer) => answer,
            Err(error) => Answer { error: Some(error.to_string()), ..Answer::default() },
        };
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

/// Has the socket that is its stdin, until it is killed.
pub fn share() -> ! {
    loop {
        std::thread::park();
    }
}

/// Takes a socket that comes by its stdin, says so with a byte, and has it until it is killed.
///
/// # Errors
/// When none comes.
pub fn receive() -> io::Result<()> {
    let mut peer = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&peer, &mut [io::IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty())?;
    let messages = ancillary.drain();
    let passed = messages.filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let _held: OwnedFd = passed.last().ok_or(io::ErrorKind::UnexpectedEof)?;
    peer.write_all(BYTE)?;
    share()
}

#[derive(Default)]
struct Held {
    socket: Option<Socket>,
    listener: Option<Socket>,
    child: Option<Child>,
}

impl Held {
    fn socket(&self) -> io::Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn follow(&mut self, order: Order) -> io::Result<Answer> {
        let mut answer = Answer::default();
        match order {
            Order::Connect { to, how } => {
                let socket = self.socket.insert(connect(to, how)?);
                answer.local = socket.local_addr()?.as_socket();
            }
            Order::Listen => {
                let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
                listener.listen(1)?;
                answer.local = listener.local_addr()?.as_socket();
                self.listener = Some(listener);
            }
            Order::Accept => {
                let listener = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
                self.socket = Some(listener.accept()?.0);
            }
            Order::Send => drop(self.socket()?.send(BYTE)?),
            Order::Fill => fill(self.socket()?)?,
            Order::Read => {
                let socket = self.socket()?;
                socket.set_read_timeout(Some(PATIENCE))?;
                let mut from: &Socket = socket;
                from.read_exact(&mut [0])?;
            }
            Order::Await => drop(self.socket()?.peek(&mut [MaybeUninit::uninit()])?),
            Order::ShutWrite => self.socket()?.shutdown(std::net::Shutdown::Write)?,
            Order::ShutRead => self.socket()?.shutdown(std::net::Shutdown::Read)?,
            Order::Close => drop(self.socket.take()),
            Order::Reset => {
                self.socket()?.set_linger(Some(Duration::ZERO))?;
                self.socket = None;
            }
            Order::Disconnect => rustix::net::connect_unspec(self.socket()?)?,
            Order::Share => {
                let shared = OwnedFd::from(self.socket()?.try_clone()?);
                self.child = Some(beside("share", shared)?);
            }
            Order::EndShare => {
                let mut child = self.child.take().ok_or(io::ErrorKind::NotFound)?;
                child.kill()?;
                child.wait()?;
            }
            Order::Pass => answer.pid = Some(pass(self.socket()?)?),
            Order::Exit => unreachable!("nothing is left to do"),
        }
        Ok(answer)
    }
}

fn connect(to: SocketAddr, how: How) -> io::Result<Socket> {
    let to = match (how, to) {
        (How::Mapped, SocketAddr::V4(v4)) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        _ => to,
    };
    let protocol = if how == How::MultiPath { Protocol::MPTCP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(protocol))?;
    match how {
        How::Impatient => socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?,
        _ => socket.set_write_timeout(Some(PATIENCE))?,
    }
    if how == How::FastOpen {
        sendto(&socket, BYTE, MSG_FASTOPEN, &to)?;
    } else {
        socket.connect(&to.into())?;
    }
    Ok(socket)
}

fn fill(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let data = vec![0; 1 << 16];
    loop {
        match socket.send(&data) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn pass(socket: &Socket) -> io::Result<u32> {
    let (mut own, theirs) = UnixStream::pair()?;
    let child = beside("receive", theirs.into())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [socket.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(&own, &[io::IoSlice::new(BYTE)], &mut ancillary, SendFlags::empty())?;
    own.read_exact(&mut [0])?;
    Ok(child.id())
}

/// This program once more, with something as its stdin.
fn beside(what: &str, stdin: OwnedFd) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).arg(what).stdin(stdin).stdout(Stdio::null()).spawn()
}
