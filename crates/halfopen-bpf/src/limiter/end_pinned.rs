//! Ends a limit that has outlived its daemon.

use crate::abi;
use crate::abi::LAYOUT;
use crate::abi::skeleton::types;
use crate::error::{KernelError, bpf};
use crate::limiter::walk::{EnforcementStopped, restore_everywhere};
use crate::load::optional_hooks::OptionalHook;
use crate::load::pins::{HOOKS, Pins, RESTORE, STATE, keeper, remove_pin, remove_pins, version};
use libbpf_rs::{Link, MapCore, MapFlags, MapHandle};
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::path::Path;

/// As [`Pins::find`], but first ends what a version with another layout has left: lets its held attempts go,
/// detaches its hooks, and makes this a fresh start. No counts are taken over.
pub(crate) fn pins_of_our_layout(path: &Path) -> Result<Option<Pins>, KernelError> {
    let Some(pins) = Pins::find(path)? else { return Ok(None) };
    let keeper = keeper(path)?;
    if keeper.layout == LAYOUT {
        return Ok(Some(pins));
    }
    drop(pins);
    let ended = end_pinned(path)?.unwrap_or_default();
    tracing::warn!(
        "{}: pinned by halfopen {} with another layout ({}, this version has {LAYOUT}): ended, {} network namespaces \
         missed; nothing is limited until this start is through, and the counts begin anew",
        path.display(),
        version(&keeper),
        keeper.layout,
        ended.namespaces_missed
    );
    Ok(None)
}

/// Ends a limit that has outlived its daemon: lets all held attempts go and removes the pins. Returns `None`
/// if there are none. Works for the pins of any version.
///
/// # Errors
/// [`KernelError::PinsInUse`] while a daemon has them; [`KernelError::Bpf`] if they cannot be removed.
pub fn end_pinned(path: &Path) -> Result<Option<EnforcementStopped>, KernelError> {
    let Some(pins) = Pins::lock(path)? else { return Ok(None) };
    let ours = keeper(path).is_ok_and(|keeper| keeper.layout == LAYOUT);
    let state = pins.file(STATE);
    let switched_off =
        ours && switch_off(&state).inspect_err(|error| tracing::warn!("{}", error.in_full())).is_ok();
    if !switched_off {
        // Hooks that stay attached would hold again what the walk has let go.
        let optional = OptionalHook::ALL.into_iter().map(OptionalHook::name);
        HOOKS.into_iter().chain(optional).try_for_each(|hook| remove_pin(&pins.file(hook)))?;
    }
    let mut stopped = match Link::open(pins.file(RESTORE)) {
        Ok(restore) => restore_everywhere(restore.as_fd()),
        Err(error) => {
            tracing::warn!("held attempts keep the options of a hold: opening {RESTORE}: {error:#}");
            EnforcementStopped::default()
        }
    };
    if ours {
        stopped.let_go = let_go(&state);
    }
    remove_pins(path)?;
    Ok(Some(stopped))
}

/// How many attempts the walk has let go.
fn let_go(state: &Path) -> u64 {
    let at = offset_of!(types::bss, options_restored);
    let map = MapHandle::from_pinned_path(state).ok();
    let bytes = map.and_then(|map| map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY).ok().flatten());
    let count = bytes.and_then(|bytes| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes));
    count.unwrap_or(0)
}

/// Writes mode `off` into both policies, so that no new attempt is held while options are restored.
fn switch_off(state: &Path) -> Result<(), KernelError> {
    let mode = offset_of!(types::bss, policies) + offset_of!(abi::policy, mode);
    let failed = |error| bpf(&format!("switching off in {}", state.display()), error);
    let map = MapHandle::from_pinned_path(state).map_err(failed)?;
    let key = 0_u32.to_ne_bytes();
    let mut bytes = map.lookup(&key, MapFlags::ANY).map_err(failed)?.unwrap_or_default();
    for at in [mode, mode + size_of::<abi::policy>()] {
        if let Some(word) = bytes.get_mut(at..at + 4) {
            word.copy_from_slice(&abi::MODE_OFF.to_ne_bytes());
        }
    }
    map.update(&key, &bytes, MapFlags::ANY).map_err(failed)
}
