//! The interfaces through which containers reach the network.

use super::Limiter;
use crate::abi;
use crate::abi::plain;
use crate::encode::rule_keys::put;
use crate::encode::values;
use crate::error::{KernelError, bpf};
use crate::sys::gates::{Gate, Interfaces};
use libbpf_rs::{MapCore, MapFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

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

    /// Watches these gates and no others. A gate that stays keeps its credit. Until the next call, interfaces that are
    /// not listed count as one gate.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn follow_gates(&mut self, found: Interfaces) -> Result<(), KernelError> {
        self.gates_unknown = None;
        let gates: BTreeSet<Gate> = found.gates.into_iter().collect();
        let others: BTreeSet<u32> = found.others.into_iter().collect();
        if (&gates, &others) == (&self.gates, &self.no_gates) {
            return Ok(());
        }
        let unseen = (!gates.is_empty()).then_some((abi::GATE_UNSEEN, abi::GATE_OF_ONE));
        let kind = |gate: &Gate| if gate.shared { abi::GATE_OF_MANY } else { abi::GATE_OF_ONE };
        let of_gates = gates.iter().map(|gate| (gate.index, kind(gate)));
        let of_others = others.iter().map(|index| (*index, abi::NO_GATE));
        let wanted: BTreeMap<u32, u32> = of_gates.chain(of_others).chain(unseen).collect();
        let map = &self.skel.maps.gates;
        for key in map.keys() {
            let index = key.as_slice().try_into().map_or(0, u32::from_ne_bytes);
            if !wanted.contains_key(&index) {
                map.delete(&key).map_err(|error| bpf("forgetting an interface", error))?;
            }
        }
        for (index, kind) in wanted {
            // The number may be another interface's by now, unless an earlier daemon has left it.
            let is_new = !self.gates.is_empty()
                && gates.iter().any(|gate| gate.index == index && !self.gates.contains(gate));
            if is_new || self.gate(index)?.is_none_or(|kept| kept.kind != kind) {
                put(map, &index, &abi::gate { kind, ..abi::gate::default() })?;
            }
        }
        (self.gates, self.no_gates) = (gates, others);
        Ok(())
    }

    /// The gates cannot be found out: those that were watched last are watched on.
    pub fn gates_are_unknown(&mut self, error: &io::Error) {
        let why = format!("listing the interfaces of containers: {error}");
        if self.gates_unknown.as_ref() != Some(&why) {
            tracing::warn!("{why}: new ones are not watched");
            self.gates_unknown = Some(why);
        }
    }

    /// What has come through each gate.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn forwarded(&self) -> Result<Vec<Forwarded>, KernelError> {
        let of = |gate: &Gate| {
            let read = self.gate(gate.index)?.unwrap_or_default();
            Ok(Forwarded { gate: gate.clone(), let_out: read.let_out, stopped: read.stopped })
        };
        self.gates.iter().map(of).collect()
    }

    fn gate(&self, index: u32) -> Result<Option<abi::gate>, KernelError> {
        let bytes = self.skel.maps.gates.lookup(&index.to_ne_bytes(), MapFlags::ANY);
        let bytes = bytes.map_err(|error| bpf("reading what containers forward", error))?;
        Ok(bytes.and_then(|bytes| plain::read(&bytes)))
    }
}
