//! The other end of the connection, in the world.

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{LabError, Namespace};

const PATIENCE: Duration = Duration::from_secs(30);
/// What it holds unread, in bytes: far less than a client's kernel takes to send.
const UNREAD: usize = 1 << 12;
/// What is read at a time, in bytes.
const BUFFER: usize = 1 << 16;

/// A listener at all the world's own addresses, on a port that no other connection goes to.
#[derive(Debug)]
pub(super) struct Far {
    listener: Socket,
    port: u16,
}

impl Far {
    pub fn listen(world: &Namespace, port: u16) -> Result<Self, LabError> {
        // Who dials by TCP alone gets TCP from such a listener too.
        let listen = || -> io::Result<Self> {
            let listener = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::MPTCP))?;
            listener.set_only_v6(false)?;
            listener.set_recv_buffer_size(UNREAD)?;
            listener.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
            listener.listen(8)?;
            listener.set_read_timeout(Some(PATIENCE))?;
            Ok(Self { listener, port })
        };
        world.run(listen)?.map_err(LabError::io(format!("listen on port {port} of the world")))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn accept(&self) -> Result<Accepted, LabError> {
        let accepted = self.listener.accept().map(|(socket, _)| TcpStream::from(socket));
        let stream = accepted.and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Accepted(stream))
        });
        stream.map_err(LabError::io(format!("accept a connection to port {} of the world", self.port)))
    }
}

/// The far end of a connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Accepted(pub TcpStream);

impl Accepted {
    pub fn is_multipath(&self) -> bool {
        SockRef::from(&self.0).protocol().is_ok_and(|protocol| protocol == Some(Protocol::MPTCP))
    }

    pub fn send(&mut self) -> Result<(), LabError> {
        self.0.write_all(b"x").map_err(LabError::io("send from the world"))
    }

    pub fn read(&mut self) -> Result<(), LabError> {
        self.0.read_exact(&mut [0]).map_err(LabError::io("read in the world"))
    }

    /// Reads until the end of the stream.
    pub fn read_all(&mut self) -> Result<(), LabError> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(LabError::io("read to the end in the world")(error)),
            }
        }
    }

    pub fn shut_write(&self) -> Result<(), LabError> {
        self.0.shutdown(Shutdown::Write).map_err(LabError::io("end what the world sends"))
    }

    pub fn reset(self) -> Result<(), LabError> {
        SockRef::from(&self.0)
            .set_linger(Some(Duration::ZERO))
            .map_err(LabError::io("set SO_LINGER in the world"))
    }
}
