//! What a way has to work with.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::endings::far::{Accepted, Far};
use crate::endings::forged::{Flags, forge};
use crate::endings::holder::Holder;
use crate::endings::orders::{How, Order};
use crate::endings::{Kept, Moment, Seen};
use crate::nat::{Entry, Nat};
use crate::{CLIENT_V4, Cgroup, Lab, LabError, Namespace, WORLD_V4, WORLD_V6};

/// How long the kernels may take to get where a way claims that they get.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at first, and at most. A look takes the kernel milliseconds: it goes through the sockets of all
/// namespaces.
const STEP: Duration = Duration::from_millis(5);
const LONGEST_STEP: Duration = Duration::from_millis(160);

/// A lab with a listener in the world that only this way's connection goes to.
pub(super) struct Stage<'a> {
    pub lab: &'a Lab,
    pub nat: &'a Nat,
    pub cgroup: &'a Cgroup,
    pub far: Far,
    watch: &'a mut dyn FnMut(Moment) -> Result<(), LabError>,
}

/// Both ends of a connection.
pub(super) struct Open {
    pub holder: Holder,
    pub far: Accepted,
    pub from: SocketAddr,
}

impl<'a> Stage<'a> {
    pub fn set(
        lab: &'a Lab,
        cgroup: &'a Cgroup,
        watch: &'a mut dyn FnMut(Moment) -> Result<(), LabError>,
    ) -> Result<Self, LabError> {
        let nat = lab.nat().ok_or(LabError::NoNat)?;
        Ok(Self { lab, nat, cgroup, far: Far::listen(lab.world(), nat.fresh_port())?, watch })
    }

    /// Where the connection goes.
    pub fn to(&self) -> SocketAddr {
        (WORLD_V4, self.far.port()).into()
    }

    pub fn to_v6(&self) -> SocketAddr {
        (WORLD_V6, self.far.port()).into()
    }

    /// A process in the client's namespace.
    pub fn holder(&self) -> Result<Holder, LabError> {
        Holder::start(self.lab.client(), self.cgroup)
    }

    /// Opens the connection from the client's namespace.
    pub fn open(&mut self, to: SocketAddr, how: How) -> Result<Open, LabError> {
        let open = self.open_from(self.lab.client(), to, how)?;
        self.now("it was opened", super::ways::OPEN)?;
        Ok(open)
    }

    pub fn open_plainly(&mut self) -> Result<Open, LabError> {
        self.open(self.to(), How::Plain)
    }

    /// Opens the connection from another namespace.
    pub fn open_from(&self, namespace: &Namespace, to: SocketAddr, how: How) -> Result<Open, LabError> {
        let mut holder = Holder::start(namespace, self.cgroup)?;
        let from = holder.connect(to, how)?;
        Ok(Open { holder, far: self.far.accept()?, from })
    }

    /// Closes the far end once the client's has been closed and the far end's kernel has said so.
    ///
    /// If both said at once what they have to say, the network could turn the order round, and a connection in `TIME_WAIT`
    /// that hears of the past is reset (RFC 1337).
    pub fn closed(&mut self, after: &'static str, mut open: Open) -> Result<(), LabError> {
        open.far.read_all()?;
        self.now(after, super::ways::UNANSWERED_FIN)?;
        drop(open.far);
        self.now("the far end has closed too", super::ways::CLOSED_FIRST)
    }

    /// Waits until the kernels are where they are claimed to be.
    pub fn now(&mut self, after: &'static str, claimed: Seen) -> Result<(), LabError> {
        self.now_in(Some(self.lab.client()), self.far.port(), after, claimed)
    }

    /// The same of a connection from another namespace, or to another port.
    pub fn now_in(
        &mut self,
        namespace: Option<&Namespace>,
        port: u16,
        after: &'static str,
        claimed: Seen,
    ) -> Result<(), LabError> {
        let seen =
            self.until(namespace, port, &format!("{claimed:?} after {after}"), |seen| seen == claimed)?;
        let to = SocketAddr::new(self.to().ip(), port);
        (self.watch)(Moment { after, seen, to })
    }

    /// Waits until the kernels are where they are wanted.
    pub fn until(
        &self,
        namespace: Option<&Namespace>,
        port: u16,
        wanted: &str,
        there: impl Fn(Seen) -> bool,
    ) -> Result<Seen, LabError> {
        let (deadline, mut step) = (Instant::now() + PATIENCE, STEP);
        loop {
            let seen = self.look(namespace, port)?;
            if there(seen) {
                return Ok(seen);
            }
            if Instant::now() > deadline {
                let what = format!("{wanted}, but there is {seen:?} of port {port}");
                return Err(LabError::Late { what, waited: PATIENCE });
            }
            sleep(step);
            step = LONGEST_STEP.min(step * 2);
        }
    }

    fn look(&self, namespace: Option<&Namespace>, port: u16) -> Result<Seen, LabError> {
        let sockets = namespace.map_or(Ok(Vec::new()), Namespace::tcp_sockets)?;
        let listens = |local: SocketAddr| {
            sockets.iter().any(|socket| socket.remote.port() == 0 && socket.local.port() == local.port())
        };
        let client = sockets.iter().find(|socket| socket.remote.port() == port).map(|socket| {
            if listens(socket.local) {
                Kept::Accepted(socket.state)
            } else if socket.remembered {
                Kept::Remembered(socket.state)
            } else {
                Kept::Dialled(socket.state)
            }
        });
        // What the world dials is not towards it, whatever the client's port.
        let towards = |entry: &Entry| entry.to.port() == port && entry.to.ip() != CLIENT_V4;
        let nat = self.nat.entries()?.into_iter().find(towards);
        Ok(Seen { client, nat: nat.map(|entry| entry.state) })
    }

    /// Has somebody between the NAT box and the client make up a segment of the far end.
    pub fn forge_from_far(&self, open: &Open, flags: Flags) -> Result<(), LabError> {
        forge(self.nat.namespace(), v4(self.to()), v4(open.from), flags)
    }

    /// Has a program beside the client make up a segment of the client.
    pub fn forge_from_client(&self, open: &Open, flags: Flags) -> Result<(), LabError> {
        forge(self.lab.client(), v4(open.from), v4(self.to()), flags)
    }
}

impl Open {
    /// Sends a byte each way.
    pub fn works(&mut self) -> Result<(), LabError> {
        self.holder.follow(Order::Send)?;
        self.far.read()?;
        self.far.send()?;
        self.holder.follow(Order::Read).map(drop)
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(v4) => v4,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddrV4::new(v4, v6.port()),
            IpAddr::V6(_) => unreachable!("segments are forged of IPv4 connections alone"),
        },
    }
}
