//! Capabilities: what a process may be given, has, and can get back.

use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Keeps of what this thread has only `kept`, for good.
///
/// # Errors
/// The kernel's answer.
pub fn keep_only(kept: CapabilitySet) -> Result<()> {
    match empty_bounding_set(kept) {
        // It is emptied already, or was never full: without CAP_SETPCAP, and with no_new_privs, it gives nothing back.
        Ok(()) | Err(Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    clear_ambient_capability_set()?;
    let had = capabilities(None)?;
    let kept = had.permitted.intersection(kept);
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

/// Takes all but `kept` out of the bounding set, which is what a program of root's is given.
///
/// # Errors
/// `PERM` without `CAP_SETPCAP`.
pub fn empty_bounding_set(kept: CapabilitySet) -> Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            // Numbers grow without gaps: the kernel knows no more.
            Err(_) => break,
            Ok(true) if !kept.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
        }
    }
    Ok(())
}
