//! Structures of bpf/abi.h as the kernel passes them: bytes of known layout.

use crate::abi;
use libbpf_rs::{MapCore, MapFlags};

/// A structure for which any bytes of its size are a valid value.
///
/// # Safety
/// Implement it only for integers, and `repr(C)` structures of integers and arrays of them that spell out their padding.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($of:ty),* $(,)?) => {$(
        // SAFETY: repr(C), made from bpf/abi.h; integers and arrays of integers only.
        unsafe impl Plain for $of {}
    )*};
}

plain!(u8, u32, u64);
plain!(
    abi::account_key,
    abi::attempt,
    abi::attempt_record,
    abi::cgroup_pattern,
    abi::cgroup_place,
    abi::cgroup_step,
    abi::comm_key,
    abi::connection,
    abi::datagram_stop,
    abi::deny_count,
    abi::deny_prefix,
    abi::deny_rule,
    abi::exe_key,
    abi::gate,
    abi::held_record,
    abi::interface_key,
    abi::keeper,
    abi::named_set,
    abi::program_count,
    abi::program_key,
    abi::resolver_key,
    abi::scope,
    abi::scope_name,
    abi::turn_record,
    abi::user_key,
);

/// Reads one structure from the start of `bytes`; `None` if there are too few.
pub(crate) fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, `Plain` says that any are a value, and nothing is assumed of their alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The sum over all CPUs of the 64-bit numbers at index `at` of a per-CPU array.
pub(crate) fn sum_of_cpus(map: &impl MapCore, at: u32) -> libbpf_rs::Result<u64> {
    let per_cpu = map.lookup_percpu(&at.to_ne_bytes(), MapFlags::ANY)?.unwrap_or_default();
    Ok(per_cpu.iter().filter_map(|bytes| bytes.as_slice().try_into().ok()).map(u64::from_ne_bytes).sum())
}

/// The bytes of one structure.
pub(crate) fn bytes<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: `Plain` structures are repr(C) and spell out their padding: each byte has a value.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}
