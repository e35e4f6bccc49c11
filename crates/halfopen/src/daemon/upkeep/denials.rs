//! What the rules of `[[deny]]` have refused, for events and for `status`.

use crate::control::{DeniedStatus, DenyStatus, deny_status};
use crate::daemon::accounts::on_the_wall;
use crate::daemon::enforcement::Enforcement;
use crate::events::{DenialReport, Protocol, Tally};
use halfopen_bpf::{DenyRule, KernelError, monotonic};
use halfopen_policy::{Contact, Mode};
use std::net::IpAddr;

impl Enforcement {
    /// Writes the events of rules that are due.
    pub(in crate::daemon) fn announce_denials(&mut self) -> Result<(), KernelError> {
        let counts = self.limiter.denied()?;
        for due in self.announcer.denials.due(monotonic(), &counts) {
            let identity = self.means.identify(&due.last.program);
            self.announcer.announce_denial(DenialReport {
                rule: due.rule,
                denied: due.denied,
                would_have_denied: due.would_have_denied,
                protocol: Protocol::of(&due.last),
                program: Tally {
                    attempts: due.denied + due.would_have_denied,
                    waiting: None,
                    refused: 0,
                    contact: Contact::Known,
                    sample: vec![due.last.destination],
                    program: due.last.program,
                    identity: Some(identity),
                    own: None,
                    account: None,
                },
            });
        }
        Ok(())
    }

    pub(in crate::daemon) fn deny_status(&mut self) -> Result<Vec<DenyStatus>, KernelError> {
        let rules = self.resolved.rules().deny();
        let counts = self.limiter.denied()?;
        let mut all = Vec::with_capacity(rules.len());
        for rule in rules {
            let count = counts.iter().find(|count| count.name == rule.name);
            let last = count.and_then(|count| count.last.clone());
            all.push(DenyStatus {
                mode: self.deny_mode(&rule).into(),
                denied: count.map_or(0, |count| count.denied),
                would_have_denied: count.map_or(0, |count| count.would_have_denied),
                last: last.map(|last| {
                    DeniedStatus::new(&last, self.means.identify(&last.program), on_the_wall(last.at))
                }),
                name: rule.name,
            });
        }
        Ok(all)
    }

    /// What `rule` does now: at most what the mode of the whole limit allows.
    fn deny_mode(&self, rule: &DenyRule) -> Mode {
        deny_status::mode_within(self.mode_now(), rule.mode)
    }

    /// The rules that cover `address`, and `port` if that is known.
    pub(in crate::daemon) fn denied_by(&self, address: IpAddr, port: Option<u16>) -> Option<String> {
        let has = |rule: &DenyRule| {
            rule.ports.is_empty()
                || port.is_none_or(|port| rule.ports.iter().any(|range| range.contains(&port)))
        };
        let rules = self.resolved.rules().deny().into_iter().filter(|rule| rule.covers(address) && has(rule));
        let told = rules.filter_map(|rule| {
            let does = match self.deny_mode(&rule) {
                Mode::Enforce => "refuses",
                Mode::Audit => "would refuse (audit)",
                Mode::Off => return None,
            };
            let what = match (rule.tcp, rule.udp) {
                (true, true) => "TCP and UDP",
                (true, false) => "TCP",
                _ => "UDP",
            };
            let ranges = rule.ports.iter().map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            });
            let ports = ranges.collect::<Vec<_>>().join(", ");
            let ports = if ports.is_empty() { String::new() } else { format!(" port {ports}") };
            Some(format!("deny rule {} {does} {what} to {address}{ports}", rule.name))
        });
        Some(told.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty())
    }
}
