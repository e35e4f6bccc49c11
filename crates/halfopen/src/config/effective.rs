//! What holds in the end, and who said it.

use super::essential::EssentialList;
use super::key::Key;
use super::place::Origin;
use super::setting::{Preset, Setting};
use halfopen_kernel::Settings;
use halfopen_policy::{Limits, Mode, RawTcp};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Every key with its value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    entries: BTreeMap<Key, (Setting, Origin)>,
}

impl Default for Effective {
    /// The preset's values.
    fn default() -> Self {
        let mut effective = Self { entries: BTreeMap::new() };
        let host = Limits::xp_sp2();
        let limits = super::key::LimitKey::ALL.into_iter().map(|key| super::Limit::of(&host, key));
        let settings = [
            Setting::Preset(Preset::XpSp2),
            Setting::Mode(Mode::default()),
            Setting::Persist(false),
            Setting::Exempt(loopback()),
            Setting::Essential(EssentialList::default()),
            Setting::RawTcp(RawTcp::default()),
            Setting::Poke(true),
        ];
        for setting in settings.into_iter().chain(limits.map(Setting::Host)) {
            effective.put(setting, Origin::Preset);
        }
        effective
    }
}

impl Effective {
    /// Replaces the value of a key.
    pub fn put(&mut self, setting: Setting, origin: Origin) {
        self.entries.insert(setting.key(), (setting, origin));
    }

    /// The value of `key` and its origin.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&(Setting, Origin)> {
        self.entries.get(&key)
    }

    /// The values set while the daemon ran and not saved.
    pub fn live(&self) -> impl Iterator<Item = &Setting> {
        self.entries.values().filter(|(_, origin)| *origin == Origin::Live).map(|(setting, _)| setting)
    }

    /// As the kernel part takes it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = Settings {
            mode: Mode::default(),
            enforce_until: None,
            raw_tcp: RawTcp::default(),
            poke: true,
            exempt: Vec::new(),
            essential: Vec::new(),
            host: Limits::xp_sp2(),
            scopes: Vec::new(),
            interfaces: Vec::new(),
            known_for: Duration::from_hours(1),
        };
        for (setting, _) in self.entries.values() {
            setting.apply(&mut settings);
        }
        settings
    }

    /// What keeps rules of `essential` from meeting anybody; see [`EssentialList::unmet`].
    #[must_use]
    pub fn unmet_rules(&self) -> Vec<String> {
        match self.get(Key::Essential) {
            Some((Setting::Essential(list), _)) => list.unmet(),
            _ => Vec::new(),
        }
    }

    /// Whether the limit outlives the daemon.
    #[must_use]
    pub fn persist(&self) -> bool {
        matches!(self.get(Key::Persist), Some((Setting::Persist(true), _)))
    }

    /// A hash over all values, the same for the same values on every machine: 16 hex digits.
    #[must_use]
    pub fn hash(&self) -> String {
        // FNV-1a: the standard library's hashers may change between its versions.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (key, (setting, _)) in &self.entries {
            for byte in format!("{key} = {}\n", setting.in_full()).bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }

    /// A configuration file that says the same, each line with its origin.
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
        text
    }
}

fn loopback() -> Vec<IpNet> {
    vec![
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ]
}
