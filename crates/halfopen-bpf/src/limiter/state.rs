//! The kernel part's global variables, mapped: the two policies, and the number of the one in force.
//!
//! This module maps them itself because libbpf maps only what it has created, and gives a map that it has
//! taken over memory of its own.

use crate::abi;
use crate::abi::skeleton::types;
use crate::error::KernelError;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, fence};

/// The BPF compiler and the native one lay the structure out alike.
const _: () = assert!(size_of::<types::policy>() == size_of::<abi::policy>());

/// The mapping, shared with the programs in the kernel: read and written field by field, never borrowed.
pub(crate) struct State {
    mapped: NonNull<types::bss>,
}

// SAFETY: the memory belongs to no thread, and `State` has no method that two threads may not call.
unsafe impl Send for State {}

impl State {
    /// Maps `map`, the map of the global variables.
    pub fn of(map: BorrowedFd<'_>) -> Result<Self, KernelError> {
        let failed = |source| KernelError::Bpf { doing: "mapping the policy".to_owned(), source };
        // SAFETY: a new mapping at an address of the kernel's choice; it replaces none of this process's.
        let address = unsafe {
            mmap(
                ptr::null_mut(),
                size_of::<types::bss>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )
        };
        let address = address.map_err(|error| failed(error.into()))?;
        let mapped = NonNull::new(address.cast()).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Self { mapped })
    }

    /// The number of the policy in force.
    pub fn policy_now(&self) -> u32 {
        // SAFETY: the mapping lives as long as `self` and is as large as the structure; only user space writes this.
        unsafe { (&raw const (*self.mapped.as_ptr()).policy_now).read_volatile() & 1 }
    }

    /// Draws the salt of the sets' hashes if there is none. The first daemon draws it; it must not change
    /// while the sets are kept.
    pub fn draw_salt(&mut self) -> Result<(), KernelError> {
        // SAFETY: as in policy_now(); an aligned array.
        let salt = unsafe { &raw mut (*self.mapped.as_ptr()).salt };
        // SAFETY: likewise.
        if unsafe { salt.read_volatile() } != [0; 2] {
            return Ok(());
        }
        let mut drawn = [0_u64; 2];
        // SAFETY: as many bytes as the array has.
        let got = unsafe { libc::getrandom(drawn.as_mut_ptr().cast(), size_of_val(&drawn), 0) };
        if usize::try_from(got) != Ok(size_of_val(&drawn)) {
            let source = io::Error::last_os_error();
            return Err(KernelError::Bpf { doing: "drawing a salt".to_owned(), source });
        }
        // SAFETY: likewise; nothing is attached yet.
        unsafe { salt.write_volatile(drawn) };
        Ok(())
    }

    /// The salt of the sets' hashes, and of the ids of cgroups' accounts.
    pub fn salt(&self) -> [u64; 2] {
        // SAFETY: as in policy_now(); an aligned array, which nobody writes once it is drawn.
        unsafe { (&raw const (*self.mapped.as_ptr()).salt).read_volatile() }
    }

    /// The policy in force.
    pub fn policy(&self) -> abi::policy {
        let now = self.policy_now() as usize;
        // SAFETY: as in policy_now(); the index is 0 or 1.
        unsafe { (&raw const (*self.mapped.as_ptr()).policies[now]).cast::<abi::policy>().read_volatile() }
    }

    /// The limits in force for the scope with this number; `None` from 128 on.
    pub fn limits(&self, scope: usize) -> Option<abi::limits> {
        let now = self.policy_now() as usize;
        // SAFETY: as in policy(); the pointer is only made into one of an array of the same place.
        let all = unsafe { &raw const (*self.mapped.as_ptr()).policies[now].limits };
        // SAFETY: as in policy_now(); the index is within the array, and only user space, which is this thread, writes it.
        (scope < crate::abi::SCOPES as usize)
            .then(|| unsafe { all.cast::<abi::limits>().add(scope).read_volatile() })
    }

    /// Puts `policy` in force: writes the one that is not in force, then switches the number.
    pub fn turn_to(&mut self, policy: &abi::policy) {
        let next = self.policy_now() ^ 1;
        // SAFETY: as in policy(); programs read this policy only once the number says so.
        unsafe {
            (&raw mut (*self.mapped.as_ptr()).policies[next as usize])
                .cast::<abi::policy>()
                .write_volatile(*policy);
        };
        fence(Ordering::SeqCst);
        // SAFETY: as in policy_now().
        unsafe { (&raw mut (*self.mapped.as_ptr()).policy_now).write_volatile(next) };
        fence(Ordering::SeqCst);
    }

    /// Sets until when (nanoseconds of the monotonic clock) a daemon can be relied on to wake waiters.
    pub fn set_woken_until(&mut self, until_ns: u64) {
        // SAFETY: as in policy_now(); an aligned word.
        unsafe { (&raw mut (*self.mapped.as_ptr()).woken_until_ns).write_volatile(until_ns) };
    }

    /// In audit mode, beginnings and ends are told until then (nanoseconds of the monotonic clock).
    pub fn set_learned_until(&mut self, until_ns: u64) {
        // SAFETY: as in policy_now(); an aligned word. Programs write it too, always a later time than the last.
        unsafe { (&raw mut (*self.mapped.as_ptr()).learned_until_ns).write_volatile(until_ns) };
    }

    /// Sets the time (nanoseconds of the monotonic clock) before which attempts may have begun without a
    /// record.
    pub fn count_from(&mut self, from_ns: u64) {
        // SAFETY: as in policy_now(); an aligned word.
        unsafe { (&raw mut (*self.mapped.as_ptr()).counting_from_ns).write_volatile(from_ns) };
    }

    /// A socket walk begins at `now_ns` (nanoseconds of the monotonic clock). Returns its number.
    pub fn socket_walk_begins(&self, now_ns: u64) -> u32 {
        let mapped = self.mapped.as_ptr();
        // SAFETY: as in policy_now(); aligned words that only user space writes.
        unsafe {
            let number = (&raw const (*mapped).socket_walk).read_volatile().wrapping_add(1).max(1);
            (&raw mut (*mapped).socket_walk_ns).write_volatile(now_ns);
            (&raw mut (*mapped).socket_walk).write_volatile(number);
            number
        }
    }

    /// How many connections have a record.
    pub fn connections_held(&self) -> u32 {
        // SAFETY: as in policy_now(); an aligned word that the programs add to atomically.
        unsafe { (&raw const (*self.mapped.as_ptr()).connections_held).read_volatile() }
    }

    /// How many held attempts have got their own options back from the walk.
    pub fn options_restored(&self) -> u64 {
        // SAFETY: as in policy_now(); an aligned word that the programs add to atomically.
        unsafe { (&raw const (*self.mapped.as_ptr()).options_restored).read_volatile() }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this size, and not used after this.
        let _ = unsafe { munmap(self.mapped.as_ptr().cast(), size_of::<types::bss>()) };
    }
}
