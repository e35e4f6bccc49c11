//! Records the attempts of the whole host, whatever limits them. The programs are there only while a [`Recording`] is;
//! the limiter knows nothing of them.

mod skeleton;
mod told;

pub use told::{Recorded, RecordedAttempt, RecordedOutcome};

use crate::error::{KernelError, bpf, hear_libbpf, heard, is_permitted};
use crate::sys::cgroup::CgroupDir;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{Link, MapCore, MapFlags, OpenObject, RingBuffer, RingBufferBuilder};
use skeleton::{RecordingSkel, RecordingSkelBuilder};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc::{self, Receiver};

/// A recording that runs. It ends when it is dropped.
pub struct Recording {
    links: Vec<Link>,
    ring: RingBuffer<'static>,
    told: Receiver<Recorded>,
    skel: RecordingSkel<'static>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl Recording {
    /// Loads the programs and attaches them.
    ///
    /// # Errors
    /// [`KernelError::NotPermitted`] without root's rights; what the kernel says against the programs.
    pub fn start() -> Result<Self, KernelError> {
        hear_libbpf();
        // Leaked for the reason given in `load`.
        let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
        let open = RecordingSkelBuilder::default()
            .open(object)
            .map_err(|error| bpf("opening the recording's programs", error))?;
        let skel = open.load().map_err(|error| {
            let kernel = rustix::system::uname();
            let release = kernel.release().to_string_lossy();
            KernelError::refused_to_load(error, is_permitted(), &heard(), &release)
        })?;
        let root = CgroupDir::root()?;
        let attaching = |what: &str| {
            let doing = format!("attaching the recording to {what}");
            move |error| bpf(&doing, error)
        };
        let progs = &skel.progs;
        let hook = root.as_fd().as_raw_fd();
        let links = vec![
            progs.on_queue.attach().map_err(attaching("net_dev_queue"))?,
            progs.on_connect4.attach_cgroup(hook).map_err(attaching("cgroup/connect4"))?,
            progs.on_connect6.attach_cgroup(hook).map_err(attaching("cgroup/connect6"))?,
            // The last: an attempt that it tells of has been seen whole.
            progs.on_state.attach().map_err(attaching("inet_sock_set_state"))?,
        ];
        let (sender, told) = mpsc::channel();
        let mapping = |error| bpf("mapping the recording's ring buffer", error);
        let mut ring = RingBufferBuilder::new();
        ring.add(&skel.maps.recorded_ring, move |bytes| {
            // The receiver lives as long as the ring: both belong to the recording.
            if let Some(recorded) = told::read(bytes) {
                let _ = sender.send(recorded);
            }
            0
        })
        .map_err(mapping)?;
        let ring = ring.build().map_err(mapping)?;
        Ok(Self { links, ring, told, skel })
    }

    /// All that was told since the last time. The ring buffer has room for some 60,000 attempts.
    ///
    /// # Errors
    /// If the ring buffer cannot be read.
    pub fn told(&self) -> Result<impl Iterator<Item = Recorded> + '_, KernelError> {
        self.ring.consume().map_err(|error| bpf("reading the recording's ring buffer", error))?;
        Ok(self.told.try_iter())
    }

    /// No more attempts begin. What was told before can still be read.
    pub fn stop(&mut self) {
        self.links.clear();
    }

    /// The attempts that have not come to their end.
    #[must_use]
    pub fn open(&self) -> Vec<RecordedAttempt> {
        let attempts = &self.skel.maps.recorded_attempts;
        let read = |key: Vec<u8>| match told::read(&attempts.lookup(&key, MapFlags::ANY).ok()??)? {
            Recorded::Attempt(attempt) => Some(attempt),
            Recorded::Cgroup(_) => None,
        };
        attempts.keys().filter_map(read).collect()
    }

    /// How many attempts were lost so far, because the ring buffer or the table of attempts was full.
    ///
    /// # Errors
    /// If the count cannot be read.
    pub fn lost(&self) -> Result<u64, KernelError> {
        let count = self.skel.maps.recorded_lost.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY);
        let bytes = count.map_err(|error| bpf("reading how many attempts were lost", error))?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_to_its_last_byte_and_no_further() {
        const KIND: usize = std::mem::offset_of!(skeleton::types::recorded, kind);
        let mut bytes = [0; size_of::<skeleton::types::recorded>()];
        assert_eq!(told::read(&bytes), None, "unknown kind");
        bytes[KIND] = 2;
        assert!(matches!(told::read(&bytes), Some(Recorded::Attempt(_))));
        assert_eq!(told::read(&bytes[1..]), None, "too short");
    }
}
