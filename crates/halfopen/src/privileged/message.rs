//! The messages between the daemon and the privileged helper: JSON, one request and one answer, with descriptors if the
//! message needs them.
//!
//! Each message has a number, so that a late answer is not taken for the answer to another request. The helper answers
//! a message that is too long or malformed in the same way as a request that it cannot carry out.

use super::Leave;
use super::process::Process;
use crate::config::Containers;
use crate::runs_in::RunsIn;
use halfopen_bpf::IpFamily;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The longest message, in bytes. A path of 4 KiB fits even if JSON writes each byte as six.
const LONGEST: usize = 32 * 1024;
/// The number of a message that answers no request in particular.
pub(super) const NOBODY_S: u64 = 0;
/// The most descriptors in a message.
const DESCRIPTORS: usize = 2;

/// A request, or an answer, with the request's number, counted from 1; 0 if it answers no request.
#[allow(missing_docs, reason = "the names are those of the message")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbered<T> {
    pub number: u64,
    pub message: T,
}

/// What came from the other side.
#[derive(Debug)]
pub enum Received<T> {
    /// A message, with descriptors.
    Message(Numbered<T>, Vec<OwnedFd>),
    /// Something that is not a message, and why it is not.
    Malformed(String),
    /// The other side has closed.
    Closed,
}

/// What the daemon asks for.
#[allow(missing_docs, reason = "the names are those of the message")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// [`Reply::RawSocket`].
    RawSocket { pid: u32, netns: u64, family: Family },
    /// [`Reply::Restored`]; with the descriptor of the iterator's link.
    Restore,
    /// [`Reply::Walked`]; with the descriptor of the iterator's link.
    Walk { namespaces: Vec<u32> },
    /// [`Reply::Identity`].
    Identify { pid: u32, uid: u32, comm: String, cgroup_id: u64 },
    /// [`Reply::Process`]; `None` unless a thread of it is called `comm`, where that is given.
    Process { pid: u32, comm: Option<String> },
    /// [`Reply::UserNumber`]: asks the name service.
    UserNumber { name: String },
    /// [`Reply::Cgroups`]: those of containers.
    Containers { wanted: Containers },
    /// [`Reply::RuntimeSockets`].
    RuntimeSockets,
    /// [`Reply::ExecCgroup`].
    MakeExecCgroup { name: String },
    /// [`Reply::Done`].
    RemoveExecCgroup { name: String },
    /// [`Reply::Listed`]: the files in conf.d beside the configuration.
    ListConfD,
    /// [`Reply::Opened`]: a file of the configuration.
    Open { path: PathBuf },
    /// [`Reply::Attached`]; with the descriptor of the program.
    Attach { hook: String, pinned: bool },
    /// [`Reply::Done`]: removes the pin of an optional hook.
    Unpin { hook: String },
    /// [`Reply::Gates`].
    Gates,
    /// [`Reply::Listening`]: for metrics.
    Listen { at: SocketAddr },
    /// [`Reply::Done`].
    TidyUp { leave: Leave },
}

/// What the privileged helper answers.
#[allow(missing_docs, reason = "the names are those of the message")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The request is carried out.
    Done,
    /// With the socket.
    RawSocket,
    /// The number of namespaces that could not be entered.
    Restored { namespaces_missed: u64 },
    /// The namespaces that could be entered.
    Walked { namespaces: Vec<u32> },
    /// What the helper found out about a program.
    Identity { exe: Option<String>, cgroup: Option<String>, user: String, runs_in: RunsIn },
    /// What a process is; `None` if it is gone, or is another one by now.
    Process { process: Option<Process> },
    /// A user's number; `None` if there is no such user.
    UserNumber { number: Option<u32> },
    /// Paths of cgroups.
    Cgroups { paths: Vec<String> },
    /// The sockets of container runtimes that did not answer the last time, each with the reason.
    RuntimeSockets { failed: Vec<String> },
    /// With the parent cgroup and the cgroup.
    ExecCgroup,
    /// The files.
    Listed { paths: Vec<PathBuf> },
    /// With the file.
    Opened,
    /// With the link, unless it is pinned.
    Attached,
    /// Number, name, and whether containers share it, of each interface through which they reach the network; and the
    /// numbers of the other interfaces.
    Gates { gates: Vec<(u32, String, bool)>, others: Vec<u32> },
    /// With the socket.
    Listening,
    /// A new helper has started: requests that the old one has not answered may be lost.
    Began,
    /// The request failed.
    Failed { kind: Kind, message: String },
}

/// [`IpFamily`] in a message.
#[allow(missing_docs, reason = "the names are those of the message")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    V4,
    V6,
}

/// Why a request failed, as far as the daemon treats the reasons differently.
#[allow(missing_docs, reason = "the names are those of the message")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    NotFound,
    TimedOut,
    Other,
}

impl From<IpFamily> for Family {
    fn from(family: IpFamily) -> Self {
        match family {
            IpFamily::V4 => Self::V4,
            IpFamily::V6 => Self::V6,
        }
    }
}

impl From<Family> for IpFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4,
            Family::V6 => Self::V6,
        }
    }
}

impl From<Kind> for io::ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NotFound => Self::NotFound,
            Kind::TimedOut => Self::TimedOut,
            Kind::Other => Self::Other,
        }
    }
}

impl From<io::ErrorKind> for Kind {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Other,
        }
    }
}

/// Sends `message` with `descriptors`.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for one that is too long; else the socket's.
pub fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &Numbered<T>,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > LONGEST {
        let length = bytes.len();
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the message has {length} bytes, and {LONGEST} are allowed"),
        ));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a message.
///
/// # Errors
/// The socket's.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Received<T>> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = rights.flatten().collect();
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Ok(Received::Malformed(format!("the message is longer than {LONGEST} bytes")));
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(Received::Malformed(format!("the message has more than {DESCRIPTORS} descriptors")));
    }
    if received.bytes == 0 {
        return Ok(Received::Closed);
    }
    Ok(match serde_json::from_slice(&bytes[..received.bytes]) {
        Ok(message) => Received::Message(message, descriptors),
        Err(e) => Received::Malformed(format!("malformed message: {e}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn messages_and_descriptors_arrive_and_the_end_is_told() {
        let (daemon, helper) = pair();
        let (read, write) = std::io::pipe().unwrap();
        let request = Request::Identify { pid: 7, uid: 1, comm: "\u{1}\"nmap".into(), cgroup_id: u64::MAX };
        let request = Numbered { number: 9, message: request };
        send(daemon.as_fd(), &request, &[read.as_fd(), write.as_fd()]).unwrap();
        drop((read, write));
        let Received::Message(received, descriptors) = receive::<Request>(helper.as_fd()).unwrap() else {
            panic!("it was a message")
        };
        assert_eq!(received, request);
        let [read, write] = <[OwnedFd; 2]>::try_from(descriptors).unwrap();
        File::from(write).write_all(b"through").unwrap();
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        drop(daemon);
        assert!(matches!(receive::<Request>(helper.as_fd()).unwrap(), Received::Closed));
    }

    #[test]
    fn what_is_no_message_is_told_and_the_next_one_is_read() {
        let (daemon, helper) = pair();
        let numbered = |message: String| Numbered { number: 1, message };
        send(daemon.as_fd(), &numbered("run_this".into()), &[]).unwrap();
        rustix::net::send(&daemon, &vec![b'a'; LONGEST + 1], SendFlags::empty()).unwrap();
        send(daemon.as_fd(), &Numbered { number: 2, message: Request::Restore }, &[]).unwrap();
        for malformed in ["malformed message", "longer than"] {
            match receive::<Request>(helper.as_fd()).unwrap() {
                Received::Malformed(why) => assert!(why.contains(malformed), "{why}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(receive::<Request>(helper.as_fd()).unwrap(), Received::Message(..)));
        assert!(send(daemon.as_fd(), &numbered("a".repeat(LONGEST)), &[]).is_err());
    }
}
