//! Capabilities: those a process has, and those it could gain.

use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Drops every capability of this thread except `kept`, for good.
///
/// # Errors
/// The kernel's answer.
pub fn keep_only(kept: CapabilitySet) -> Result<()> {
    match empty_bounding_set(kept) {
        // It was emptied before, or was never full. Without CAP_SETPCAP and with no_new_privs it grants nothing anyway.
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

/// Removes everything except `kept` from the bounding set, which limits what a program started by root gets.
///
/// # Errors
/// `PERM` without `CAP_SETPCAP`.
pub fn empty_bounding_set(kept: CapabilitySet) -> Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            // Numbers have no gaps: the kernel knows no capability from here on.
            Err(_) => break,
            Ok(true) if !kept.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
        }
    }
    Ok(())
}
