//! The interfaces through which containers reach the network.

use super::Limiter;
use crate::abi;
use crate::abi::plain;
use crate::encode::rule_keys::put;
use crate::encode::values;
use crate::error::{KernelError, bpf};
use crate::sys::gates::Gate;
use libbpf_rs::{MapCore, MapFlags};
use std::collections::BTreeSet;

/// What has come through a gate without a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The gate.
    pub gate: Gate,
    /// First contacts that were let out.
    pub let_out: u64,
    /// SYNs that were stopped, or would have been in audit mode.
    pub stopped: u64,
}

impl Limiter {
    /// Whether the settings limit or count what containers send without a socket.
    #[must_use]
    pub fn asks_for_gates(&self) -> bool {
        values::forwarded(&self.settings, self.top_level) != abi::FORWARDED_ALLOW
    }

    /// Watches these gates and no others. A gate that stays keeps its credit.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn follow_gates(&mut self, found: &[Gate]) -> Result<(), KernelError> {
        let found: BTreeSet<Gate> = found.iter().cloned().collect();
        let map = &self.skel.maps.gates;
        for key in map.keys() {
            let index = key.as_slice().try_into().map_or(0, u32::from_ne_bytes);
            if !found.iter().any(|gate| gate.index == index) {
                map.delete(&key).map_err(|error| bpf("forgetting a gate", error))?;
            }
        }
        for gate in found.difference(&self.gates) {
            // An earlier daemon may have left it.
            let kept = self.gate(gate)?.filter(|kept| kept.shared == u32::from(gate.shared));
            if kept.is_none() {
                let new = abi::gate { shared: gate.shared.into(), ..abi::gate::default() };
                put(map, &gate.index, &new)?;
            }
        }
        self.gates = found;
        Ok(())
    }

    /// What has come through each gate.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn forwarded(&self) -> Result<Vec<Forwarded>, KernelError> {
        let of = |gate: &Gate| {
            let read = self.gate(gate)?.unwrap_or_default();
            Ok(Forwarded { gate: gate.clone(), let_out: read.let_out, stopped: read.stopped })
        };
        self.gates.iter().map(of).collect()
    }

    fn gate(&self, gate: &Gate) -> Result<Option<abi::gate>, KernelError> {
        let bytes = self.skel.maps.gates.lookup(&gate.index.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading what containers forward", error))?;
        Ok(bytes.and_then(|bytes| plain::read(&bytes)))
    }
}
