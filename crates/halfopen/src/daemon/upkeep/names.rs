//! The resolvers whose DNS answers are read, and what became of the answers.

use crate::config::disk::NSSWITCH;
use crate::config::{Disk, resolvers};
use crate::control::{Degradation, DegradedStatus, NamedStatus, NamesStatus, Trusted};
use crate::daemon::enforcement::Enforcement;
use halfopen_bpf::{KernelError, NameTrust, Program, RESOLVERS};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Whether programs of this host ask systemd-resolved through nss-resolve(8) before they ask DNS.
fn asks_by_nss_resolve(nsswitch: &str) -> bool {
    let hosts = nsswitch.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    hosts.is_some_and(|services| {
        services.split_whitespace().take_while(|word| *word != "dns").any(|word| word == "resolve")
    })
}

impl Enforcement {
    fn trust_in_names(&self) -> NameTrust {
        self.resolved.general().names
    }

    /// Looks up the system's resolvers, if answers are read at all, and logs changes.
    ///
    /// # Errors
    /// If the kernel part cannot be written.
    pub fn follow_resolvers(&mut self) -> Result<(), KernelError> {
        if self.trust_in_names() == NameTrust::Off {
            return Ok(());
        }
        let mut read = |path: &str| match self.means.helper.read(Path::new(path)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        };
        let files = resolvers::FILES.map(&mut read);
        let nsswitch = read(NSSWITCH);
        // If a file cannot be read now, the last reading stays.
        if let Ok(nsswitch) = nsswitch {
            self.resolvers.asked_by_others = nsswitch.is_some_and(|text| asks_by_nss_resolve(&text));
        }
        let Ok(files) = files.into_iter().collect::<io::Result<Vec<_>>>() else { return Ok(()) };
        let files: Vec<String> = files.into_iter().flatten().collect();
        let found = self.resolved.general().resolvers.found(&files);
        if found.len() > RESOLVERS && found != self.resolvers.addresses {
            tracing::warn!(
                "{} resolvers are configured: only the answers of the first {RESOLVERS} are read",
                found.len()
            );
        }
        self.resolvers.addresses = found;
        let read: BTreeSet<IpAddr> = self.resolvers.addresses.iter().copied().take(RESOLVERS).collect();
        if self.limiter.set_resolvers(&read)? {
            let named: Vec<String> = read.iter().map(ToString::to_string).collect();
            tracing::info!("reading the answers of these resolvers: {}", named.join(", "));
        }
        Ok(())
    }

    /// What `status` shows about names; `None` if answers are not read.
    pub(in crate::daemon) fn names_status(&self) -> Result<Option<NamesStatus>, KernelError> {
        let settings = self.resolved.settings();
        let trust = match settings.names {
            NameTrust::Off => return Ok(None),
            NameTrust::Client => Trusted::Client,
            NameTrust::Host => Trusted::Host,
        };
        let resolvers = self.resolvers.addresses.iter().copied().take(RESOLVERS).collect();
        let counts = self.limiter.names_counts()?;
        Ok(Some(NamesStatus::new(trust, settings.names_for.as_secs(), resolvers, &counts)))
    }

    /// Who got `address` from an answer; `None` if answers are not read.
    pub(in crate::daemon) fn named(
        &mut self,
        address: IpAddr,
    ) -> Result<Option<Vec<NamedStatus>>, KernelError> {
        if self.trust_in_names() == NameTrust::Off {
            return Ok(None);
        }
        let named = self.limiter.who_was_told(address)?;
        let means = &mut self.means;
        let mut path = |id| {
            let program = Program { pid: 0, uid: 0, comm: String::new(), cgroup_id: id };
            means.identify(&program).cgroup.unwrap_or_else(|| format!("a cgroup that is gone (id {id})"))
        };
        let named = named
            .into_iter()
            .map(|named| NamedStatus { client: named.client.map(&mut path), for_s: named.left.as_secs() });
        Ok(Some(named.collect()))
    }

    /// Why names work less well than they could.
    pub(in crate::daemon) fn degraded_names(&self) -> impl Iterator<Item = DegradedStatus> {
        let trust = self.trust_in_names();
        let none = (trust != NameTrust::Off && self.resolvers.addresses.is_empty())
            .then_some(Degradation::NoResolver);
        let others = (trust == NameTrust::Client && self.resolvers.asked_by_others)
            .then_some(Degradation::NamesAskedByOthers);
        none.into_iter().chain(others).map(DegradedStatus::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nss_resolve_asks_past_the_stub_where_it_comes_before_dns() {
        let fedora = "passwd: files\n hosts: files myhostname mdns4_minimal [NOTFOUND=return] resolve \
                      [!UNAVAIL=return] dns\n";
        assert!(asks_by_nss_resolve(fedora));
        for other in ["hosts: files dns\n", "hosts: files dns resolve\n", "#hosts: resolve\nhosts: dns\n", ""]
        {
            assert!(!asks_by_nss_resolve(other), "{other}");
        }
    }
}
