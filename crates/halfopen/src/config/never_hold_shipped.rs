//! Programs that a host cannot do without: those that let people in, keep the host configured, and report its state.
//! Each dials few peers, but must not wait behind a scanner for them.
//!
//! systemd makes a unit's cgroup, and only root can join it. Containers and sessions have cgroups of their own, so the
//! programs that a runtime starts do not escape the limit with it. If they would (podman without a daemon, agents that
//! open shells for people, `ansible` over ssh), the program is not listed: name it on a host that needs it. A
//! Prometheus server is not listed either: it dials every target, including dead ones, and so is what the limit is for.

use super::accounts::Accounts;
use super::containers::Containers;
use super::pattern::CgroupPattern;
use super::who::{User, Who};
use std::path::PathBuf;

/// One rule of the list.
pub(super) struct Shipped {
    pub cgroup: Option<&'static str>,
    pub user: Option<&'static str>,
    pub exe: Option<&'static str>,
    pub reason: &'static str,
}

impl Shipped {
    pub fn rule(&self, accounts: &Accounts) -> Who {
        Who {
            cgroups: self.cgroup.and_then(CgroupPattern::plain).into_iter().collect(),
            users: self.user.map(|name| User::of(name, accounts)).into_iter().collect(),
            exes: self.exe.map(PathBuf::from).into_iter().collect(),
            containers: Containers::default(),
            comms: Vec::new(),
            not: None,
            reason: Some(self.reason.to_owned()),
        }
    }
}

const fn exe(exe: &'static str, reason: &'static str) -> Shipped {
    Shipped { cgroup: None, user: None, exe: Some(exe), reason }
}

const fn unit(cgroup: &'static str, reason: &'static str) -> Shipped {
    Shipped { cgroup: Some(cgroup), user: None, exe: None, reason }
}

const fn unit_as(cgroup: &'static str, user: &'static str, reason: &'static str) -> Shipped {
    Shipped { cgroup: Some(cgroup), user: Some(user), exe: None, reason }
}

// Not by cgroup: without a login manager the sessions share it. Port forwards run as their user and are held, except
// for root's own.
const LOGIN: &str = "logins: PAM may ask Kerberos or LDAP";
const LOOKUP: &str = "looks up users and logins";
const RUNTIME: &str = "pulls images and starts containers, which have cgroups of their own";
const NAMES: &str = "resolves names, also over TCP and TLS: without names nothing else connects";
const CLOCK: &str = "sets the clock: NTS fetches keys over TCP, and certificates fail if the clock is wrong";
const NETWORK: &str = "manages the network itself; it does not use TCP today";
const CONFIGURATION: &str = "delivers the configuration, and so the way to repair this one";
const MONITORING: &str = "pushes measurements: a host that falls silent looks dead";

/// The rules that the word `shipped` stands for.
pub(super) const SHIPPED: &[Shipped] = &[
    exe("/usr/sbin/sshd", LOGIN),
    // Since OpenSSH 9.8 a separate program serves the connection and asks PAM.
    exe("/usr/lib/openssh/sshd-session", LOGIN),
    exe("/usr/libexec/openssh/sshd-session", LOGIN),
    unit("/system.slice/sssd.service", LOOKUP),
    unit(
        "/system.slice/kubelet.service",
        "reports for the host, and its probes decide what is restarted; pods have cgroups of their own",
    ),
    unit_as("/system.slice/containerd.service", "root", RUNTIME),
    unit_as("/system.slice/docker.service", "root", RUNTIME),
    unit_as("/system.slice/crio.service", "root", RUNTIME),
    unit_as("/system.slice/systemd-resolved.service", "systemd-resolve", NAMES),
    unit_as("/system.slice/systemd-networkd.service", "systemd-network", NETWORK),
    unit_as("/system.slice/systemd-timesyncd.service", "systemd-timesync", CLOCK),
    unit("/system.slice/chrony.service", CLOCK),
    unit("/system.slice/chronyd.service", CLOCK),
    unit("/system.slice/ntpsec.service", CLOCK),
    unit_as("/system.slice/puppet.service", "root", CONFIGURATION),
    unit_as("/system.slice/salt-minion.service", "root", CONFIGURATION),
    unit_as("/system.slice/chef-client.service", "root", CONFIGURATION),
    unit_as("/system.slice/cf-execd.service", "root", CONFIGURATION),
    unit_as("/system.slice/telegraf.service", "telegraf", MONITORING),
    unit_as("/system.slice/zabbix-agent.service", "zabbix", MONITORING),
    unit_as("/system.slice/zabbix-agent2.service", "zabbix", MONITORING),
    unit_as("/system.slice/datadog-agent.service", "dd-agent", MONITORING),
    unit_as("/system.slice/collectd.service", "root", MONITORING),
    unit_as(
        "/system.slice/halfopen.service",
        "halfopen-otlp",
        "sends events of held programs to `otlp.endpoint`",
    ),
];
