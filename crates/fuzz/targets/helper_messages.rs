//! What comes through the socket of the privileged helper is a message that is sent as it came, or is told to be none.

#![no_main]

use halfopen::privileged::message::{Received, Reply, Request, receive, send};
use libfuzzer_sys::fuzz_target;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send as send_bytes, socketpair};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::os::fd::AsFd;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .expect("a pair of sockets");
    send_bytes(&ours, bytes, SendFlags::NOSIGNAL).expect("sending fits");
    let Received::Message(message, with) = receive::<T>(theirs.as_fd()).expect("receiving works") else {
        return;
    };
    assert!(with.is_empty(), "descriptors that nobody sent");
    // JSON may write a byte as six, so a message near the limit need not fit.
    if send(ours.as_fd(), &message, &[]).is_err() {
        assert!(bytes.len() > 4096, "too long, from {} bytes", bytes.len());
        return;
    }
    match receive::<T>(theirs.as_fd()).expect("receiving works") {
        Received::Message(again, _) => assert_eq!(again, message),
        other => panic!("{message:?} came back as {other:?}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    // An empty one is the end.
    if bytes.is_empty() {
        return;
    }
    comes_back::<Request>(bytes);
    comes_back::<Reply>(bytes);
});
