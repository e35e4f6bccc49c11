//! Attaches the hooks that the settings ask for, and detaches those that they no longer ask for.

use super::{Limiter, pinned};
use crate::error::KernelError;
use crate::error::bpf;
use crate::load::optional_hooks::{Attach, OptionalHook};
use crate::load::pins::{Pins, remove_pin};
use crate::settings::Settings;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Which optional hooks are attached.
#[derive(Debug, Default)]
pub(super) struct Optional {
    /// The link, if it is not pinned.
    attached: BTreeMap<OptionalHook, Option<OwnedFd>>,
    /// Hooks that should be attached and could not be, and why.
    missing: BTreeMap<OptionalHook, String>,
}

impl Optional {
    /// The names of the attached hooks.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.attached.keys().map(|hook| hook.name())
    }

    /// Pins the links that this process keeps, and drops them. Removes the pins of hooks that are not
    /// attached.
    pub fn pin(&mut self, pins: &Pins) -> Result<(), KernelError> {
        let failed = |hook: OptionalHook, source| {
            let doing = format!("pinning {}", pins.file(hook.name()).display());
            KernelError::Bpf { doing, source }
        };
        for hook in OptionalHook::ALL {
            match self.attached.get_mut(&hook) {
                Some(link) => {
                    let unpinned = link.take().filter(|_| !pins.file(hook.name()).exists());
                    let pinned = unpinned.map_or(Ok(()), |link| hook.pin(link.as_fd(), pins.path()));
                    pinned.map_err(|source| failed(hook, source))?;
                }
                None => hook.unpin(pins.path()).map_err(|source| failed(hook, source))?,
            }
        }
        Ok(())
    }
}

impl Limiter {
    /// At the start, with this process's rights: puts the programs in place of those of `found`, or else
    /// beside other programs.
    pub(super) fn attach_optional(
        &mut self,
        found: Option<&Pins>,
        by: &mut dyn Attach,
    ) -> Result<(), KernelError> {
        for hook in OptionalHook::ALL {
            let pin = found.map(|pins| pins.file(hook.name())).filter(|pin| pin.exists());
            // The kernel replaces no program of netfilter, so the hook is attached anew.
            if hook.netfilter_family().is_some()
                && let Some(pin) = &pin
            {
                remove_pin(pin)?;
                continue;
            }
            if !self.wants(hook, &self.settings) {
                continue;
            }
            let replaced = pin
                .map(|pin| {
                    pinned::replace(&pin, self.program(hook).map_err(|e| bpf("taking over", e.into()))?)
                })
                .transpose()?
                .flatten();
            if let Some(link) = replaced {
                let link = link.as_fd().try_clone_to_owned();
                let link = link.map_err(|e| bpf("keeping a link", libbpf_rs::Error::from(e)))?;
                self.optional.attached.insert(hook, Some(link));
            }
        }
        self.attach_wanted(&self.settings.clone(), by);
        Ok(())
    }

    fn wants(&self, hook: OptionalHook, settings: &Settings) -> bool {
        hook.is_wanted(settings, !self.gates.is_empty() && self.asks_for_gates())
    }

    fn program(&self, hook: OptionalHook) -> io::Result<BorrowedFd<'_>> {
        let progs = &self.skel.progs;
        if hook.netfilter_family().is_some() && !self.has_netfilter {
            return Err(io::Error::other("this kernel has no BPF programs for netfilter (Linux 6.4)"));
        }
        Ok(match hook {
            OptionalHook::DenyConnect4 => progs.deny_connect4.as_fd(),
            OptionalHook::DenyConnect6 => progs.deny_connect6.as_fd(),
            OptionalHook::DenySendmsg4 => progs.deny_sendmsg4.as_fd(),
            OptionalHook::DenySendmsg6 => progs.deny_sendmsg6.as_fd(),
            OptionalHook::Ingress => progs.on_ingress.as_fd(),
            OptionalHook::Forward4 | OptionalHook::Forward6 => progs.on_forward.as_fd(),
        })
    }

    /// Attaches the hooks that `settings` ask for and that are not attached yet. Must be called before the
    /// settings are put in force, so that all of a rule takes effect at once, and from time to time: what
    /// could not be attached is tried again. The log has the first failure; see [`Limiter::not_attached`].
    pub fn attach_wanted(&mut self, settings: &Settings, by: &mut dyn Attach) {
        for hook in OptionalHook::ALL {
            if !self.wants(hook, settings) {
                self.optional.missing.remove(&hook);
                continue;
            }
            if self.optional.attached.contains_key(&hook) {
                continue;
            }
            let attached =
                self.program(hook).and_then(|program| by.attach(hook, program, self.pins.is_some()));
            match attached {
                Ok(link) => {
                    self.optional.attached.insert(hook, link);
                    if self.optional.missing.remove(&hook).is_some() {
                        tracing::info!("{} is attached now", hook.name());
                    }
                }
                Err(e) => {
                    let why = format!("attaching {} to {}: {e}", hook.name(), self.cgroup.display());
                    if self.optional.missing.insert(hook, why.clone()).is_none() {
                        tracing::warn!("{why}: it is tried again each second");
                    }
                }
            }
        }
    }

    /// Detaches the hooks that the settings in force do not ask for. A hook that cannot be detached does
    /// nothing; the next call tries again.
    pub fn detach_unwanted(&mut self, by: &mut dyn Attach) {
        let unwanted = |hook: &OptionalHook| !self.wants(*hook, &self.settings);
        for hook in self.optional.attached.keys().copied().filter(unwanted).collect::<Vec<_>>() {
            let unpinned = if self.pins.is_some() { by.unpin(hook) } else { Ok(()) };
            match unpinned {
                Ok(()) => drop(self.optional.attached.remove(&hook)),
                Err(e) => tracing::debug!("detaching {}: {e}", hook.name()),
            }
        }
    }

    /// Calls both of these with the settings in force.
    pub fn follow_hooks(&mut self, by: &mut dyn Attach) {
        self.attach_wanted(&self.settings.clone(), by);
        self.detach_unwanted(by);
    }

    /// The hooks that the settings ask for and that could not be attached, and why.
    pub fn not_attached(&self) -> impl Iterator<Item = (OptionalHook, &str)> {
        let missing = self.optional.missing.iter().map(|(hook, why)| (*hook, why.as_str()));
        missing.chain(self.gates_unknown.iter().map(|why| (OptionalHook::Forward4, why.as_str())))
    }

    /// The optional hooks that are attached.
    pub fn optional_attached(&self) -> impl Iterator<Item = OptionalHook> {
        self.optional.attached.keys().copied()
    }
}
