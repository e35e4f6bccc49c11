//! Structures of bpf/abi.h as the kernel hands them out: bytes of known layout.

use crate::abi::skeleton::types;
use libbpf_rs::{MapCore, MapFlags};

/// A structure that any bytes of its size are a value of.
///
/// # Safety
/// Implement it only for `repr(C)` structures of integers and arrays of them.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::scope {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::limits {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::keeper {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::named_set {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::program_key {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::program_count {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::account_key {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::cgroup_pattern {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::deny_count {}
// SAFETY: repr(C), generated from BTF; integers and arrays of integers only.
unsafe impl Plain for types::datagram_stop {}
// SAFETY: repr(C), integers and arrays of integers only.
unsafe impl Plain for HeldRecord {}
// SAFETY: repr(C), integers and arrays of integers only.
unsafe impl Plain for TurnRecord {}
// SAFETY: repr(C), integers and arrays of integers only.
unsafe impl Plain for AttemptRecord {}

/// Reads one structure from the start of `bytes`; `None` where they are too few.
pub(crate) fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, `Plain` says that any are a value, and nothing is assumed of their alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Of a per-CPU array of 64-bit numbers: the sum of those at that place.
pub(crate) fn sum_of_cpus(map: &impl MapCore, at: u32) -> libbpf_rs::Result<u64> {
    let per_cpu = map.lookup_percpu(&at.to_ne_bytes(), MapFlags::ANY)?.unwrap_or_default();
    Ok(per_cpu.iter().filter_map(|bytes| bytes.as_slice().try_into().ok()).map(u64::from_ne_bytes).sum())
}

/// The bytes of one structure.
pub(crate) fn bytes<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: `Plain` structures are repr(C); those written this way spell out their padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// `struct place`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PlaceRecord {
    pub cookie: u64,
    pub netns: u32,
    pub device: u32,
    pub addr: [u8; 16],
    pub port: u16,
    pub pad: u16,
    pub more_pad: u32,
}

/// `struct held_record`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct HeldRecord {
    pub kind: u8,
    pub audited: u8,
    pub port: u16,
    pub scope: u32,
    pub at_ns: u64,
    pub cgroup_id: u64,
    pub own: u32,
    pub interface: u32,
    pub account: u64,
    pub top: u64,
    pub part: u64,
    pub pid: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    pub addr: [u8; 16],
    pub contact: u8,
    pub pad: [u8; 7],
    pub place: PlaceRecord,
}

/// `struct turn_record`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct TurnRecord {
    pub kind: u8,
    pub flags: u8,
    pub pad: u16,
    pub own: u32,
    pub account: u64,
    pub at_ns: u64,
    pub out_ns: u64,
    pub cookie: u64,
    pub addr: [u8; 16],
}

/// `struct attempt_record`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct AttemptRecord {
    pub began_ns: u64,
    pub out_ns: u64,
    pub cgroup_id: u64,
    pub account: u64,
    pub top: u64,
    pub part: u64,
    pub scope: u32,
    pub interface: u32,
    pub pid: u32,
    pub uid: u32,
    pub rechecks: u32,
    pub state: u8,
    pub in_slot: u8,
    pub blocked_on: u8,
    pub contact: u8,
    pub port: u16,
    pub named: u8,
    pub pad: u8,
    pub more_pad: u32,
    pub comm: [u8; 16],
    pub addr: [u8; 16],
    pub place: PlaceRecord,
}
