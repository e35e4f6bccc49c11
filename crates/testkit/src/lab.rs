use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::hosts::Draw;
use crate::nat::Nat;
use crate::pins::Pins;
use crate::tag::Tag;
use crate::{
    Capture, Cgroup, Dropped, Host, HostKind, Hosts, LabError, Listener, Mix, Namespace, Side, Wan, cgroup,
    namespace, pins, wan, world,
};

/// A client and a world in network namespaces of their own, without a route out, and a cgroup for what is limited.
/// All is gone when it is dropped; what a killed process left behind goes when the next lab is built.
#[derive(Debug)]
pub struct Lab {
    seed: u64,
    draw: Mutex<Draw>,
    listener: Listener,
    wan: Option<wan::Router>,
    pins: Pins,
    cgroup: Cgroup,
    nat: Option<Nat>,
    client: Namespace,
    world: Namespace,
    tag: Tag,
}

/// What is between client and world.
#[derive(Clone, Debug)]
enum Between {
    Wire,
    Wan(Wan),
    Nat,
}

/// What kind of lab to build.
#[derive(Clone, Debug)]
#[must_use]
pub struct LabBuilder {
    seed: Option<u64>,
    is_quiet: bool,
    between: Between,
    echo: bool,
    every_port: bool,
    slow_drops: u8,
}

impl LabBuilder {
    /// Draws and loses by this seed. Without it the seed is that of the environment's `LAB_SEED`, else random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Says nothing of its seed: for a lab where nothing is drawn.
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Puts a WAN with delay and loss between client and world, in place of a wire.
    pub fn wan(mut self, wan: Wan) -> Self {
        self.between = Between::Wan(wan);
        self
    }

    /// Puts a NAT box between client and world, in place of a wire.
    pub fn nat(mut self) -> Self {
        self.between = Between::Nat;
        self
    }

    /// Makes live hosts send back what they get; else they only read it.
    pub fn echo(mut self) -> Self {
        self.echo = true;
        self
    }

    /// Makes live and slow hosts listen on every port, not on [`PORT`](crate::PORT) alone.
    pub fn every_port(mut self) -> Self {
        self.every_port = true;
        self
    }

    /// How many SYNs of each connection a slow host loses before it answers; 1 unless set.
    pub fn slow_drops(mut self, count: u8) -> Self {
        self.slow_drops = count;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// When something is missing (see [`Lab::available`]) or the system refuses a part of it.
    pub fn build(self) -> Result<Lab, LabError> {
        sweep();
        let seed = self.seed.or_else(seed_of_environment).unwrap_or_else(rand::random);
        if !self.is_quiet {
            eprintln!("lab: LAB_SEED={seed}");
        }
        let tag = Tag::fresh();
        let world = Namespace::create(tag, "world")?;
        let client = Namespace::create(tag, "client")?;
        let (mut wan, mut nat) = (None, None);
        match self.between {
            Between::Wire => world::link_by_veth(&client, &world)?,
            Between::Wan(properties) => wan = Some(wan::Router::between(&client, &world, properties, seed)?),
            Between::Nat => nat = Some(Nat::between(&client, &world, tag)?),
        }
        world::address(&client, &world, self.slow_drops)?;
        if self.every_port {
            world::listen_on_every_port(&world)?;
        }
        let listener = Listener::start(&world, self.echo)?;
        let cgroup = Cgroup::create(tag, "client")?;
        let (draw, pins) = (Mutex::new(Draw::new(seed)), Pins::named(tag));
        Ok(Lab { seed, draw, listener, wan, pins, cgroup, nat, client, world, tag })
    }
}

fn seed_of_environment() -> Option<u64> {
    std::env::var("LAB_SEED").ok()?.parse().ok()
}

/// Removes what labs of processes that have ended left behind.
fn sweep() {
    // Two sweeps at once would end each other's `ip netns delete` with an error.
    let lock = File::create("/run/halfopen-lab.lock");
    let _held = lock.as_ref().map(|file| flock(file, FlockOperation::LockExclusive));
    namespace::sweep();
    cgroup::sweep();
    pins::sweep();
}

impl Lab {
    /// A lab with a wire, a random seed, and hosts that only read.
    ///
    /// # Errors
    /// As [`LabBuilder::build`].
    pub fn new() -> Result<Self, LabError> {
        Self::builder().build()
    }

    /// A lab of another kind.
    pub fn builder() -> LabBuilder {
        LabBuilder {
            seed: None,
            is_quiet: false,
            between: Between::Wire,
            echo: false,
            every_port: false,
            slow_drops: 1,
        }
    }

    /// The seed of its draws and losses.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The namespace of those that dial.
    #[must_use]
    pub fn client(&self) -> &Namespace {
        &self.client
    }

    /// The namespace that answers.
    #[must_use]
    pub fn world(&self) -> &Namespace {
        &self.world
    }

    /// The cgroup of those that dial.
    #[must_use]
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Another cgroup beside it, outside of whatever limits the first.
    ///
    /// # Errors
    /// When the kernel refuses, for example because the name is taken.
    pub fn new_cgroup(&self, name: &str) -> Result<Cgroup, LabError> {
        Cgroup::create(self.tag, name)
    }

    /// Where limiters of this lab pin what outlives them. All that is pinned there ends with the lab.
    #[must_use]
    pub fn pins(&self) -> &Path {
        self.pins.path()
    }

    /// What live hosts listen with.
    #[must_use]
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// What the WAN has done so far, if there is one.
    #[must_use]
    pub fn wan(&self) -> Option<crate::WanTally> {
        self.wan.as_ref().map(wan::Router::tally)
    }

    /// The NAT box, if there is one.
    #[must_use]
    pub fn nat(&self) -> Option<&Nat> {
        self.nat.as_ref()
    }

    /// Draws hosts at random from addresses not drawn before and makes them answer as their kind does.
    ///
    /// # Errors
    /// When the prefix has too few addresses left, or nftables refuses.
    pub fn draw(&self, mix: &Mix) -> Result<Hosts, LabError> {
        let hosts = self.draw.lock().unwrap_or_else(PoisonError::into_inner).draw(mix)?;
        world::install(&self.world, hosts.all())?;
        Ok(hosts)
    }

    /// Makes these addresses answer as their kind does; later draws leave them out.
    ///
    /// # Errors
    /// When nftables refuses, for example because one has been drawn before.
    pub fn place(&self, hosts: &[Host]) -> Result<(), LabError> {
        self.draw.lock().unwrap_or_else(PoisonError::into_inner).leave_out(hosts);
        world::install(&self.world, hosts)
    }

    /// Makes drawn addresses answer as another kind does from now on, as a host that dies or comes back.
    ///
    /// # Errors
    /// When nftables refuses, for example because an address has not been drawn.
    pub fn change(&self, addresses: &[IpAddr], kind: HostKind) -> Result<(), LabError> {
        world::replace(&self.world, addresses, kind)
    }

    /// How many packets the world has kept from its listener so far.
    ///
    /// # Errors
    /// When nftables cannot be asked.
    pub fn dropped(&self) -> Result<Dropped, LabError> {
        world::dropped(&self.world)
    }

    /// Starts to record at one end of the link. With a wire, both ends see the same; with a WAN, the client's end
    /// sees what leaves before it is delayed or lost.
    ///
    /// # Errors
    /// When the recorder does not start.
    pub fn capture(&self, side: Side) -> Result<Capture, LabError> {
        match side {
            Side::World => Capture::start(&self.world, IpAddr::V4(world::CLIENT_V4)),
            Side::Client => Capture::start(&self.client, IpAddr::V4(world::WORLD_V4)),
        }
    }

    /// The same with every segment of TCP in it, not only those that begin or end an attempt.
    ///
    /// # Errors
    /// When the recorder does not start.
    pub fn capture_every_segment(&self, side: Side) -> Result<Capture, LabError> {
        let (namespace, peer) = match side {
            Side::World => (&self.world, world::CLIENT_V4),
            Side::Client => (&self.client, world::WORLD_V4),
        };
        Capture::start_of_every_segment(namespace, IpAddr::V4(peer))
    }

    pub(crate) fn limiter_cgroup(&self) -> Result<Cgroup, LabError> {
        Cgroup::create(self.tag, &format!("limiter-{}", Tag::fresh()))
    }
}
