//! Programs that a host cannot do without: those that let people in, that keep the host what it is told to be, and that
//! tell how it is. Each dials few peers, but must not wait behind a scanner for them.
//!
//! A unit's cgroup is made by systemd and joined by root alone. Containers and sessions have cgroups of their own, so
//! what a runtime starts is not let loose with it. Where it would be (podman without a daemon, agents that open shells
//! for people, `ansible` over ssh), nothing is listed: name those on a host that needs them. A Prometheus server is not
//! listed either: it dials every target, dead ones too, and so is what the limit is for.

/// One rule of the list.
pub(super) struct Shipped {
    pub cgroup: Option<&'static str>,
    pub user: Option<&'static str>,
    pub exe: Option<&'static str>,
    pub reason: &'static str,
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

// Not by cgroup: without a login manager the sessions share it. Port forwards run as their user and are held, but for root's
// own.
const LOGIN: &str = "logins, as where PAM asks Kerberos or LDAP";
const LOOKUP: &str = "users and logins are looked up through it";
const RUNTIME: &str = "pulls images and starts containers, which have cgroups of their own";
const NAMES: &str = "names, over TCP and TLS too: without them nothing else connects";
const CLOCK: &str = "the clock: NTS fetches keys over TCP, and certificates fail where it is off";
const NETWORK: &str = "the network itself; it has no use for TCP today";
const CONFIGURATION: &str = "brings the configuration, and so the way to repair this one";
const MONITORING: &str = "pushes measurements: a host that falls silent looks dead";

/// What the word `shipped` stands for.
pub(super) const SHIPPED: &[Shipped] = &[
    exe("/usr/sbin/sshd", LOGIN),
    // Since OpenSSH 9.8 the connection is served, and PAM asked, by a program of its own.
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
];
