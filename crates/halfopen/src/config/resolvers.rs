//! The resolvers whose answers are read: those that the configuration names, and those that the system uses.

use super::written::{Written, WrongValue};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The files that name the system's resolvers: those that programs use, and those that systemd's stub asks itself.
pub const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// The word for the system's resolvers in the list.
const SYSTEM: &str = "system";
/// The address that resolver libraries use if no file names a resolver: resolv.conf(5).
const UNNAMED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The configured list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolvers {
    /// Whether the list includes the system's resolvers.
    pub system: bool,
    /// The other resolvers.
    pub addresses: BTreeSet<IpAddr>,
}

impl Default for Resolvers {
    fn default() -> Self {
        Self { system: true, addresses: BTreeSet::new() }
    }
}

impl Resolvers {
    /// Reads the value of the key called `key`, which takes what `accepted` says.
    pub(super) fn read(key: &str, accepted: &str, written: &Written<'_, '_>) -> Result<Self, WrongValue> {
        let items = written.list(key, accepted, |item| match item.text()? {
            SYSTEM => Some(None),
            text => text.parse().ok().map(Some),
        })?;
        let system = items.contains(&None);
        Ok(Self { system, addresses: items.into_iter().flatten().collect() })
    }

    /// The items of the list.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let system = self.system.then(|| SYSTEM.to_owned());
        system.into_iter().chain(self.addresses.iter().map(ToString::to_string))
    }

    /// All resolvers. `files` are the contents of the system's files that exist.
    #[must_use]
    pub fn found(&self, files: &[String]) -> BTreeSet<IpAddr> {
        let mut all = self.addresses.clone();
        if self.system {
            let named: BTreeSet<IpAddr> = files.iter().flat_map(|text| nameservers(text)).collect();
            let unnamed = named.is_empty() && !files.is_empty();
            all.extend(named);
            all.extend(unnamed.then_some(UNNAMED));
        }
        all
    }
}

/// The resolvers in a resolv.conf(5). An address with an interface (`fe80::1%eth0`) counts without the interface.
fn nameservers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        address.split('%').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(resolvers: &Resolvers, files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|&text| text.to_owned()).collect();
        resolvers.found(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_system_s_resolvers_are_those_of_its_files() {
        let stub = "# made by somebody\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.net\n";
        let behind = "nameserver 192.0.2.1\n  nameserver\tfe80::1%eth0 # home\nnameserver 1.2.3\nnameservers \
                      9.9.9.9\n;nameserver 8.8.8.8\n";
        assert_eq!(found(&Resolvers::default(), &[stub, behind]), ["127.0.0.53", "192.0.2.1", "fe80::1"]);
        assert_eq!(found(&Resolvers::default(), &["search example.net\n"]), ["127.0.0.1"]);
        assert!(found(&Resolvers::default(), &[]).is_empty());
    }

    #[test]
    fn a_list_without_system_is_all_there_is() {
        let listed = Resolvers { system: false, addresses: ["10.96.0.10".parse().unwrap()].into() };
        assert_eq!(found(&listed, &["nameserver 192.0.2.1\n"]), ["10.96.0.10"]);
        assert_eq!(listed.names().collect::<Vec<_>>(), ["10.96.0.10"]);
    }
}
