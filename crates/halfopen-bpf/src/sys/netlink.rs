//! What the kernel lists through netlink.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

/// Asks the kernel for the list `wanted`, and gives each entry to `take` until the list ends or `take` breaks. Each part
/// of the answer must come within `patience`; `None` waits without a limit. An entry that a newer kernel describes
/// otherwise is left out.
pub(crate) fn dump<I>(
    protocol: isize,
    wanted: I,
    patience: Option<Duration>,
    mut take: impl FnMut(I) -> ControlFlow<()>,
) -> io::Result<()>
where
    I: NetlinkSerializable + NetlinkDeserializable,
{
    let socket = Socket::new(protocol)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, patience)?;
    let mut request = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(wanted));
    request.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let header = NetlinkBuffer::new_checked(&rest).map_err(io::Error::other)?;
            let length = header.length().next_multiple_of(4) as usize;
            match NetlinkMessage::<I>::deserialize(rest).map(|message| message.payload) {
                Ok(NetlinkPayload::InnerMessage(entry)) => {
                    if take(entry).is_break() {
                        return Ok(());
                    }
                }
                Ok(NetlinkPayload::Done(_)) => return Ok(()),
                Ok(NetlinkPayload::Error(error)) => return Err(error.to_io()),
                Ok(_) => {}
                Err(e) => tracing::debug!("an entry of the kernel's list cannot be read: {e}"),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}
