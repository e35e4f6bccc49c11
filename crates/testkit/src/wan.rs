//! A router in user space between two TUN devices, in place of the kernel's netem.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::world::LINK;
use crate::{LabError, Namespace};

/// A WAN's properties, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wan {
    /// How long a packet travels one way; half the round trip time.
    pub delay: Duration,
    /// The probability, 0 to 1, that a packet is lost.
    pub loss: f64,
}

/// What a WAN has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WanTally {
    /// Packets delivered, both directions together.
    pub delivered: u64,
    /// Packets lost on purpose.
    pub lost: u64,
    /// Packets dropped because too many were under way, or refused by the kernel: with 0 the WAN was fast enough.
    pub overrun: u64,
}

/// At 20,000 packets a second this is 25 s of delay.
const UNDER_WAY: usize = 500_000;
/// Packets read from one side before the other is looked at.
const TURN: usize = 64;
const LARGEST: usize = 65_536;

/// The thread that forwards. Its devices vanish when it is dropped.
pub(crate) struct Router {
    tally: Arc<Tally>,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Tally {
    delivered: AtomicU64,
    lost: AtomicU64,
    overrun: AtomicU64,
}

impl Router {
    pub(crate) fn between(
        client: &Namespace,
        world: &Namespace,
        wan: Wan,
        seed: u64,
    ) -> Result<Self, LabError> {
        let ends = [client.run(End::open)??, world.run(End::open)??];
        let make = || eventfd(0, EventfdFlags::CLOEXEC).map_err(LabError::errno("make an eventfd"));
        let stop = make()?;
        let stopped = stop.try_clone().map_err(LabError::io("duplicate an eventfd"))?;
        let tally = Arc::new(Tally::default());
        let mut forwarding = Forwarding {
            ends,
            wan,
            random: StdRng::seed_from_u64(seed),
            under_way: VecDeque::new(),
            tally: tally.clone(),
        };
        let thread = Builder::new()
            .name("lab wan".to_owned())
            .spawn(move || forwarding.forward(&stopped))
            .map_err(LabError::io("start the WAN's thread"))?;
        Ok(Self { tally, stop, thread: Some(thread) })
    }

    pub(crate) fn tally(&self) -> WanTally {
        WanTally {
            delivered: self.tally.delivered.load(Ordering::Relaxed),
            lost: self.tally.lost.load(Ordering::Relaxed),
            overrun: self.tally.overrun.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Err(error) = rustix::io::write(&self.stop, &1u64.to_ne_bytes()) {
            tracing::warn!(%error, "the WAN was not stopped");
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the WAN had panicked");
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("tally", &self.tally()).finish_non_exhaustive()
    }
}

/// One of the two TUN devices.
struct End {
    device: tun::Device,
    /// The same open file once more, as poll() takes it.
    readable: OwnedFd,
}

impl End {
    /// Makes the device in the namespace of the calling thread.
    fn open() -> Result<Self, LabError> {
        let mut configuration = tun::Configuration::default();
        configuration.tun_name(LINK);
        // Not to be configured by the library: addresses are given to both kinds of link alike.
        configuration.platform_config(|linux| {
            linux.ensure_root_privileges(false);
        });
        let failed = |what: &str| LabError::io(format!("{what} the TUN device {LINK}"));
        let device = tun::Device::new(&configuration)
            .map_err(|error| failed("make")(io::Error::other(error.to_string())))?;
        device.set_nonblock().map_err(failed("set non-blocking"))?;
        let readable = pidfd_open(getpid(), PidfdFlags::empty())
            .and_then(|own| pidfd_getfd(own, device.as_raw_fd(), PidfdGetfdFlags::empty()))
            .map_err(|errno| failed("duplicate")(errno.into()))?;
        Ok(Self { device, readable })
    }
}

struct Packet {
    due: Instant,
    to: usize,
    bytes: Vec<u8>,
}

struct Forwarding {
    ends: [End; 2],
    wan: Wan,
    random: StdRng,
    /// All travel equally long, so the order of arrival is the order of departure.
    under_way: VecDeque<Packet>,
    tally: Arc<Tally>,
}

impl Forwarding {
    fn forward(&mut self, stop: &OwnedFd) {
        let mut buffer = vec![0; LARGEST];
        loop {
            self.deliver();
            let wait = self.under_way.front().map(|next| next.due.saturating_duration_since(Instant::now()));
            let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
            let [client, world] = &self.ends;
            let mut watched = [
                PollFd::new(&client.readable, PollFlags::IN),
                PollFd::new(&world.readable, PollFlags::IN),
                PollFd::new(stop, PollFlags::IN),
            ];
            match poll(&mut watched, wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("poll: {error}"),
            }
            let [from_client, from_world, stopped] = watched.map(|fd| !fd.revents().is_empty());
            if stopped {
                return;
            }
            for (from, readable) in [from_client, from_world].into_iter().enumerate() {
                if readable {
                    self.take_in(from, &mut buffer);
                }
            }
        }
    }

    fn take_in(&mut self, from: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Ok(length) = self.ends[from].device.recv(buffer) else { return };
            if self.random.random_bool(self.wan.loss.clamp(0.0, 1.0)) {
                self.tally.lost.fetch_add(1, Ordering::Relaxed);
            } else if self.under_way.len() >= UNDER_WAY {
                self.tally.overrun.fetch_add(1, Ordering::Relaxed);
            } else {
                let due = Instant::now() + self.wan.delay;
                self.under_way.push_back(Packet { due, to: 1 - from, bytes: buffer[..length].to_vec() });
            }
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.under_way.front().is_some_and(|next| next.due <= now) {
            let Some(packet) = self.under_way.pop_front() else { return };
            let counter = match self.ends[packet.to].device.send(&packet.bytes) {
                Ok(_) => &self.tally.delivered,
                // The device is not up yet: one end's first IPv6 housekeeping before the other end is set up.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => continue,
                Err(_) => &self.tally.overrun,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
