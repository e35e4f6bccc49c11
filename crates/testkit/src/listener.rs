use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::hosts::PORT;
use crate::{LabError, Namespace};

const BACKLOG: i32 = 16_384;
const OPEN_FILES: u64 = 65_536;
const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// The one listener of all live hosts, IPv4 and IPv6, on a thread of its own.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    accepted: Mutex<HashMap<IpAddr, u64>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    stop: AtomicBool,
}

/// Raises this process' limit of open files to `wanted`, or as near to it as the kernel lets it; what it is then.
#[must_use]
pub fn raise_open_files(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit. Beyond the hard limit it takes CAP_SYS_RESOURCE, which a container's root often lacks.
    let current = current.unwrap_or(u64::MAX);
    let maximum = maximum.unwrap_or(u64::MAX);
    let raised = [wanted.max(maximum), maximum].into_iter().find(|limit| {
        let limit = Some(*limit);
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).is_ok()
    });
    raised.unwrap_or(current)
}

impl Listener {
    pub(crate) fn start(world: &Namespace, echo: bool) -> Result<Self, LabError> {
        let limit = raise_open_files(OPEN_FILES);
        tracing::debug!(limit, "open files");
        let listener = world.run(listen)?.map_err(LabError::io(format!("listen on port {PORT}")))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(LabError::errno("make an eventfd"))?;
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(LabError::errno("make an epoll"))?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)
            .and_then(|()| epoll::add(&epoll, &wake, EventData::new_u64(STOP), EventFlags::IN))
            .map_err(LabError::errno("watch the listener"))?;
        let shared = Arc::new(Shared::default());
        let mut serving =
            Serving { listener, epoll, echo, shared: shared.clone(), connections: HashMap::new(), next: 0 };
        let thread = Builder::new()
            .name("lab listener".to_owned())
            .spawn(move || serving.serve())
            .map_err(LabError::io("start the listener's thread"))?;
        Ok(Self { shared, wake, thread: Some(thread) })
    }

    /// How many connections each of the world's addresses has accepted.
    #[must_use]
    pub fn accepted(&self) -> HashMap<IpAddr, u64> {
        self.shared.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections have been accepted in all.
    #[must_use]
    pub fn accepted_in_all(&self) -> u64 {
        self.shared.accepted.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// How many accepted connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// The most accepted connections that were open at once.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Err(error) = rustix::io::write(&self.wake, &1u64.to_ne_bytes()) {
            tracing::warn!(%error, "the listener was not woken");
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the listener had panicked");
        }
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    // Else it is not given what is for other ports.
    socket.set_ip_transparent_v6(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

struct Serving {
    listener: TcpListener,
    epoll: OwnedFd,
    echo: bool,
    shared: Arc<Shared>,
    connections: HashMap<u64, Connection>,
    next: u64,
}

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Serving {
    fn serve(&mut self) {
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 1 << 16];
        while !self.shared.stop.load(Ordering::Relaxed) {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll_wait: {error}"),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    STOP => {}
                    id => self.proceed(id, &mut buffer),
                }
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer may have reset the connection while it waited to be accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "accept");
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream) {
        let Ok(local) = stream.local_addr() else { return };
        *self
            .shared
            .accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(local.ip().to_canonical())
            .or_default() += 1;
        let id = self.next;
        self.next += 1;
        let watched = stream
            .set_nonblocking(true)
            .and_then(|()| Ok(epoll::add(&self.epoll, &stream, EventData::new_u64(id), EventFlags::IN)?));
        if let Err(error) = watched {
            tracing::warn!(%error, "accepted connection not served");
            return;
        }
        self.connections.insert(id, Connection { stream, unsent: Vec::new() });
        self.shared.open.store(self.connections.len(), Ordering::Relaxed);
        self.shared.most_open.fetch_max(self.connections.len(), Ordering::Relaxed);
    }

    fn proceed(&mut self, id: u64, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let stuck = !connection.unsent.is_empty();
        if connection.proceed(self.echo, buffer).is_err() {
            // Closing the socket removes it from the epoll.
            self.connections.remove(&id);
            self.shared.open.store(self.connections.len(), Ordering::Relaxed);
            return;
        }
        if stuck == connection.unsent.is_empty() {
            let interest = if stuck { EventFlags::IN } else { EventFlags::OUT };
            if let Err(error) =
                epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(id), interest)
            {
                tracing::warn!(%error, "connection no longer watched");
            }
        }
    }
}

impl Connection {
    /// Reads, and sends back, what can be without waiting; an error (end of file included) ends the connection.
    fn proceed(&mut self, echo: bool, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            while !self.unsent.is_empty() {
                match self.stream.write(&self.unsent) {
                    Ok(sent) => drop(self.unsent.drain(..sent)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) if echo => self.unsent.extend_from_slice(&buffer[..got]),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
