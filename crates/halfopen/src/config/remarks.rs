//! Collects what `check` says of a configuration besides its values: see [`Remark`].

use super::form::loopback;
use super::general::{EXEMPT, NAMES_FOR, NEVER_HOLD, RESOLVERS};
use super::key::Key;
use super::limits::{self, FIRST_CONTACTS, LIMITS, PER_DESTINATION, open};
use super::metrics::LISTEN;
use super::name::Name;
use super::never_hold::NeverHoldList;
use super::place::Origin;
use super::remark::{Remark, RemarkKind};
use super::resolved::Resolved;
use super::rules::Rule;
use super::value::Value;
use super::who::Who;
use super::without_effect::why_limit;
use halfopen_bpf::NameTrust;
use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

const NO_DESTINATIONS: &str = "only [[scope]] and [accounts] count destinations apart";

impl Resolved {
    /// All remarks, in the order of the rules, with what this process can see of the host.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = self.with_remarks_on(Who::unmatched);
        remarks.extend(self.rules().interfaces().filter_map(no_interface));
        remarks
    }

    /// The warnings that follow from the configuration alone.
    pub fn lasting_warnings(&self) -> impl Iterator<Item = Remark> {
        self.with_remarks_on(Who::misspelt).into_iter().filter(Remark::is_warning)
    }

    fn with_remarks_on(&self, whom: fn(&Who) -> Vec<(RemarkKind, String)>) -> Vec<Remark> {
        let host = self.host();
        let mut remarks = self.remarks_on_host(whom);
        for rule in self.rules().scopes() {
            let about = |(kind, message)| Remark::new(kind, rule.name(), rule.origin(), message);
            remarks.extend(self.rules().remarks(rule, &host).into_iter().map(about));
            remarks.extend(self.shadow(rule).map(about));
            if *rule.origin() != Origin::Preset {
                remarks.extend(rule.who().into_iter().flat_map(whom).map(about));
            }
        }
        let far = self.rules().interfaces().filter_map(|rule| Some((rule, rule.said(PER_DESTINATION)?)));
        remarks.extend(far.filter_map(|(rule, said)| {
            no_effect(Name::of(Some(rule.name().clone()), PER_DESTINATION), said, NO_DESTINATIONS)
        }));
        for rule in self.rules().scopes().chain(self.rules().interfaces()) {
            let limits = self.rules().limits(rule, &host);
            let (first_contacts, _) = self.rules().get(rule, FIRST_CONTACTS, &host);
            for field in LIMITS {
                let why = why_limit(field.key.name, &limits, &first_contacts);
                if let Some((why, said)) = why.zip(rule.said(&field.key)) {
                    remarks.extend(no_effect(Name::of(Some(rule.name().clone()), &field.key), said, why));
                }
            }
        }
        remarks
    }

    fn remarks_on_host(&self, whom: fn(&Who) -> Vec<(RemarkKind, String)>) -> Vec<Remark> {
        let host = self.host();
        let first_contacts = self.value(FIRST_CONTACTS).unwrap_or(&Value::Unlimited);
        let why = |key: &'static Key| Some((key, why_limit(key.name, &host, first_contacts)?));
        let limits = LIMITS.iter().filter_map(|field| why(&field.key));
        let names = (self.general().names == NameTrust::Off).then_some("names is \"off\"");
        let names = [NAMES_FOR, RESOLVERS].into_iter().filter_map(|key| Some((key, names?)));
        let of_key = |(key, why)| no_effect(Name::of(None, key), self.said(key)?, why);
        let far = [(PER_DESTINATION, NO_DESTINATIONS)];
        let mut remarks: Vec<Remark> = limits.chain(names).chain(far).filter_map(of_key).collect();
        remarks.extend(self.one_account_of_the_host());
        remarks.extend(self.loopback_counts());
        remarks.extend(self.metrics_beyond_loopback());
        if let Some((_, origin)) = self.said(NEVER_HOLD) {
            let unmatched = self.never_hold().into_iter().flat_map(NeverHoldList::own);
            let unmatched = unmatched.flat_map(|who| {
                let of = move |(kind, message)| (kind, format!("{} {message}", who.table()));
                whom(who).into_iter().map(of)
            });
            let name = Name::of(None, NEVER_HOLD);
            remarks.extend(unmatched.map(|(kind, message)| Remark::new(kind, &name, origin, message)));
        }
        remarks
    }

    fn one_account_of_the_host(&self) -> Option<Remark> {
        let host = self.host();
        let has_accounts = |rule| self.rules().limits(rule, &host).first_contact.is_some();
        let (_, origin) = self.said(FIRST_CONTACTS).filter(|(value, _)| *value != Value::Unlimited)?;
        let message = "makes one account of the whole host, besides those of the rules: one program that scans spends \
                       the credit of all. To change the credit of each account, set accounts.first_contacts";
        let is_shared = self.rules().scopes().any(has_accounts);
        let name = Name::of(None, FIRST_CONTACTS);
        is_shared.then(|| Remark::new(RemarkKind::OneAccount, name, origin, message.to_owned()))
    }

    fn loopback_counts(&self) -> Option<Remark> {
        let exempt = &self.general().exempt;
        let is_in = |net: &IpNet| exempt.iter().any(|exempt| exempt.contains(net));
        let (_, origin) = self.said(EXEMPT).filter(|_| !loopback().iter().all(is_in))?;
        let message =
            "lacks loopback, so connections of this host to itself count and may wait; add \"shipped\"";
        Some(Remark::new(RemarkKind::LoopbackCounts, Name::of(None, EXEMPT), origin, message.to_owned()))
    }

    fn metrics_beyond_loopback(&self) -> Option<Remark> {
        let at = self.metrics().listen.filter(|at| !at.ip().is_loopback())?;
        let (_, origin) = self.said(LISTEN)?;
        let message = format!(
            "offers the metrics beyond loopback: whoever reaches {at} reads, without a password, the names of services, \
             users and containers, and which of them are suspects"
        );
        Some(Remark::new(RemarkKind::MetricsBeyondLoopback, Name::of(None, LISTEN), origin, message))
    }

    fn shadow(&self, rule: &Rule) -> Option<(RemarkKind, String)> {
        let who = rule.who()?;
        let mut earlier = self.rules().scopes().take_while(|other| other.name() != rule.name());
        let earlier = earlier.find(|earlier| earlier.who().is_some_and(|earlier| earlier.covers(who)))?;
        let message = format!(
            "never counts, because {} before it matches all its programs: put it first, or remove one",
            earlier.name()
        );
        Some((RemarkKind::Shadowed, message))
    }
}

/// An interface is one of any network namespace, and this process sees the names of its own.
fn no_interface(rule: &Rule) -> Option<Remark> {
    let name = rule.name().leaf();
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    let is_missing = name_to_index(&socket, name) == Err(Errno::NODEV);
    let message = "matches no interface now: this network namespace has none of that name; it counts for any that \
                   appears, in whatever network namespace";
    is_missing.then(|| Remark::new(RemarkKind::NoInterface, rule.name(), rule.origin(), message.to_owned()))
}

/// Nobody is to be told of what the preset says, nor of what would be the same if it was not said.
fn no_effect(name: Name, (value, origin): &(Value, Origin), why: &str) -> Option<Remark> {
    let is_usual = limits::get(&open(), name.key).is_some_and(|usual| usual == *value);
    let is_own = *origin != Origin::Preset && !is_usual;
    is_own.then(|| Remark::new(RemarkKind::NoEffect, name, origin, format!("has no effect, because {why}")))
}
