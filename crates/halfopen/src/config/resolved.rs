//! The values that result, and the origin of each.

use super::assignment::Assignment;
use super::comm::check_comm;
use super::deny_rules::DenyRules;
use super::error::{ConfigError, Wrong};
use super::key::{Key, LimitKey};
use super::limit::Limit;
use super::name::{Name, RuleName};
use super::never_hold::NeverHoldList;
use super::place::Origin;
use super::preset::Preset;
use super::preset_layer::layer;
use super::resolvers::Resolvers;
use super::rules::Rules;
use super::setting::Setting;
use halfopen_bpf::{NameTrust, Settings};
use halfopen_policy::{FirstContact, Limits, Mode, Overflow, RawTcp};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long an address that has answered stays known by default.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// How long an address stays named by default.
const NAMES_FOR: Duration = Duration::from_hours(1);

/// How long an attempt must have waited before event 4226 is sent, by default.
const EVENT_AFTER: Duration = Duration::from_secs(1);

/// Every key and rule with its value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// All assignments in their order. For a key that `set` assigned again, only the last one.
    said: Vec<(Assignment, Origin)>,
    entries: BTreeMap<Key, (Setting, Origin)>,
    rules: Rules,
    deny: DenyRules,
}

impl Default for Resolved {
    /// The default preset.
    fn default() -> Self {
        Self::of_preset(Preset::default())
    }
}

impl Resolved {
    fn of_preset(preset: Preset) -> Self {
        let mut resolved = Self {
            said: Vec::new(),
            entries: BTreeMap::new(),
            rules: Rules::default(),
            deny: DenyRules::default(),
        };
        let host = LimitKey::ALL.into_iter().map(|key| Setting::Host(Limit::of(&open(), key)));
        let settings = [
            Setting::Mode(Mode::default()),
            Setting::Persist(false),
            Setting::Exempt(loopback()),
            Setting::NeverHold(NeverHoldList::default()),
            Setting::RawTcp(RawTcp::default()),
            Setting::Wakeups(true),
            Setting::Records(Settings::RECORDS),
            Setting::KnownFor(KNOWN_FOR),
            Setting::Names(NameTrust::default()),
            Setting::NamesFor(NAMES_FOR),
            Setting::Resolvers(Resolvers::default()),
            Setting::EventAfter(EVENT_AFTER),
        ];
        let base = settings.into_iter().chain(host).map(Assignment::Setting);
        // Its text names the preset `none`, which it starts from. The name in force is its own.
        let name = Assignment::Setting(Setting::Preset(preset));
        for said in base.chain(layer(preset).cloned()).chain([name]) {
            // A preset's limits follow their rules, as its tests show, so this cannot fail.
            let _ = resolved.take(&said, &Origin::Preset);
        }
        resolved
    }

    /// Applies all assignments, in their order, on top of the preset that is named last.
    ///
    /// # Errors
    /// The first mistake.
    pub fn of(said: Vec<(Assignment, Origin)>) -> Result<Self, ConfigError> {
        let presets = said.iter().rev().find_map(|(said, _)| match said {
            Assignment::Setting(Setting::Preset(preset)) => Some(*preset),
            _ => None,
        });
        let mut resolved = Self::of_preset(presets.unwrap_or_default());
        for (said, origin) in &said {
            resolved.take(said, origin).map_err(|wrong| error(wrong, origin, Some(said)))?;
        }
        resolved.said = said;
        let host = resolved.host();
        if host.first_contact.is_some_and(|first| !first.is_a_test()) {
            let latest = [LimitKey::AnswersOfAScan, LimitKey::AnswersOfPeers]
                .map(|key| resolved.get(Key::Host(key)).map(|(_, origin)| origin.clone()));
            let origin = latest.into_iter().flatten().max_by_key(|origin| *origin != Origin::Preset);
            return Err(error(Wrong::NoTest("host".into()), &origin.unwrap_or(Origin::Live), None));
        }
        let checked = resolved
            .rules
            .check(&host)
            .and_then(|()| check_comm(&resolved.rules.scopes().collect::<Vec<_>>(), &host))
            .and_then(|()| resolved.deny.check());
        checked.map_err(|(wrong, origin)| error(wrong, &origin, None))?;
        Ok(resolved)
    }

    /// The same with one more assignment at the end.
    ///
    /// # Errors
    /// If that assignment is a mistake.
    pub fn with(&self, said: Assignment, origin: Origin) -> Result<Self, ConfigError> {
        let name = said.name();
        let mut all = self.said.clone();
        all.retain(|(earlier, _)| name.is_none() || earlier.name() != name);
        all.push((said, origin));
        Self::of(all)
    }

    fn take(&mut self, said: &Assignment, origin: &Origin) -> Result<(), Wrong> {
        match said {
            Assignment::Setting(setting) => {
                self.entries.insert(setting.key(), (setting.clone(), origin.clone()));
            }
            Assignment::Scope { name, who, per } => {
                self.rules.put_scope(name, who.clone(), *per, origin.clone());
            }
            Assignment::Deny { name, to } => self.deny.put(name, to, origin.clone()),
            Assignment::DenyValue(rule, value) => self.deny.put_value(rule, value.clone(), origin.clone())?,
            Assignment::Limit(rule, limit) => self.rules.put_limit(rule, limit.clone(), origin.clone())?,
        }
        Ok(())
    }

    /// The value of `key` and its origin.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&(Setting, Origin)> {
        self.entries.get(&key)
    }

    /// The value of `name` as `get` prints it, and its origin; `None` for a rule that does not exist.
    #[must_use]
    pub fn shown(&self, name: &Name) -> Option<(String, &Origin)> {
        let host_half_open = Name::Key(Key::Host(LimitKey::HalfOpen));
        match name {
            Name::Key(key) => self.get(*key).map(|(setting, origin)| (setting.show(), origin)),
            Name::Limit(rule, key) => {
                let (limit, origin) = self.rules.find(rule)?.get(*key, &self.host());
                Some((limit.show(), origin))
            }
            Name::Deny(rule, key) => self.deny.get(rule, *key).map(|(value, origin)| (value.show(), origin)),
            Name::TcpNumConnections(None) => {
                let (_, origin) = self.shown(&host_half_open)?;
                Some((super::limit::tcp_num_connections(self.host().half_open).to_string(), origin))
            }
            Name::TcpNumConnections(Some(interface)) => {
                let rule = self.rules.find(&RuleName::Interface(interface.clone()))?;
                let (_, origin) = rule.get(LimitKey::HalfOpen, &self.host());
                let half_open = rule.limits(&self.host()).half_open;
                Some((super::limit::tcp_num_connections(half_open).to_string(), origin))
            }
        }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The rules of `[[deny]]`.
    #[must_use]
    pub fn deny(&self) -> &DenyRules {
        &self.deny
    }

    /// The assignments that `set` made while the daemon ran and that are not saved.
    pub fn live(&self) -> impl Iterator<Item = &Assignment> {
        self.said.iter().filter(|(_, origin)| *origin == Origin::Live).map(|(said, _)| said)
    }

    /// The settings for the kernel part.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = Settings {
            mode: Mode::default(),
            enforce_until: None,
            raw_tcp: RawTcp::default(),
            wakeups: true,
            exempt: Vec::new(),
            never_hold: Vec::new(),
            host: open(),
            scopes: Vec::new(),
            interfaces: Vec::new(),
            deny: self.deny.rules(),
            records: Settings::RECORDS,
            known_for: KNOWN_FOR,
            names: NameTrust::default(),
            names_for: NAMES_FOR,
        };
        for (setting, _) in self.entries.values() {
            setting.apply(&mut settings);
        }
        self.rules.apply(&mut settings);
        settings
    }

    /// The resolvers whose DNS answers count.
    #[must_use]
    pub fn resolvers(&self) -> Resolvers {
        match self.get(Key::Resolvers) {
            Some((Setting::Resolvers(resolvers), _)) => resolvers.clone(),
            _ => Resolvers::default(),
        }
    }

    /// How long an attempt must have waited before event 4226 is sent.
    #[must_use]
    pub fn event_after(&self) -> Duration {
        match self.get(Key::EventAfter) {
            Some((Setting::EventAfter(time), _)) => *time,
            _ => EVENT_AFTER,
        }
    }

    /// The limits of the host.
    #[must_use]
    pub fn host(&self) -> Limits {
        let mut host = open();
        // In the order of their keys.
        for (setting, _) in self.entries.values() {
            if let Setting::Host(limit) = setting {
                limit.apply(&mut host);
            }
        }
        host
    }

    /// What first contacts cost a program in the cgroup at `path` that has no scope of `exec`.
    #[must_use]
    pub fn first_contact_in(&self, path: &str) -> Option<FirstContact> {
        let host = self.host();
        host.first_contact.or_else(|| self.rules.first_contact_in(path, &host))
    }

    /// Why rules of `never_hold` match nobody; see [`NeverHoldList::unmet`].
    #[must_use]
    pub fn unmet_rules(&self) -> Vec<String> {
        match self.get(Key::NeverHold) {
            Some((Setting::NeverHold(list), _)) => list.unmet(),
            _ => Vec::new(),
        }
    }

    /// Why rules of `[[scope]]` match nobody.
    #[must_use]
    pub fn unmet_scopes(&self) -> Vec<String> {
        self.rules.unmet().collect()
    }

    /// Whether the limit outlives the daemon.
    #[must_use]
    pub fn persist(&self) -> bool {
        matches!(self.get(Key::Persist), Some((Setting::Persist(true), _)))
    }

    /// A hash over all values: 16 hex digits, equal for equal values on every machine.
    #[must_use]
    pub fn hash(&self) -> String {
        // FNV-1a: the standard library's hashers may change between its versions.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let keys = self.entries.iter().map(|(key, (setting, _))| format!("{key} = {}\n", setting.in_full()));
        for line in keys.chain(self.rules.in_full()).chain(self.deny.in_full()) {
            for byte in line.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }

    /// A configuration file with these values, each line with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut in_host = false;
        for (key, (setting, origin)) in &self.entries {
            if matches!(key, Key::Host(_)) && !in_host {
                in_host = true;
                text.push_str("\n[host]\n");
            }
            let mut lines = setting.lines().into_iter();
            let line = format!("{} = {}", key.leaf(), lines.next().unwrap_or_default());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line:<40} # {origin}");
            lines.for_each(|line| text.extend([line.as_str(), "\n"]));
        }
        text + &self.rules.to_toml() + &self.deny.to_toml()
    }
}

fn error(wrong: Wrong, origin: &Origin, said: Option<&Assignment>) -> ConfigError {
    match origin {
        Origin::File(place) => ConfigError::InFile { place: place.clone(), wrong },
        Origin::Preset | Origin::CommandLine | Origin::Live => {
            let said = said.and_then(|said| Some(format!(" {}={}", said.name()?, said.show())));
            ConfigError::Given { given: format!("{origin}{}", said.unwrap_or_default()), wrong }
        }
    }
}

/// Limits that limit nothing.
fn open() -> Limits {
    Limits {
        half_open: None,
        slot_life: Duration::from_secs(21),
        drain: None,
        strict: true,
        queue: super::limit::QUEUE_UNLIMITED,
        overflow: Overflow::Refuse,
        max_wait: None,
        first_contact: None,
        datagrams: None,
    }
}

fn loopback() -> Vec<IpNet> {
    vec![
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}
