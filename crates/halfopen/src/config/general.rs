//! The table of the keys above the first table of a file: what holds for the whole host. The comment above a key is
//! what documentation says about it.

use super::form::{Form, loopback};
use super::key::{Field, Key, Place, Table, key, put};
use super::never_hold::NeverHoldList;
use super::preset::Preset;
use super::resolvers::Resolvers;
use super::value::Typed;
use halfopen_bpf::{NameTrust, Settings};
use halfopen_policy::{Forwarded, Mode, RawTcp};
use ipnet::IpNet;
use std::time::Duration;

macro_rules! general {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $usual:expr, $form:expr $(, $when:literal)?;)*) => {
        /// The values of these keys, by their names.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the table documents each key")]
        pub struct General {
            $(pub $name: $type,)*
        }

        impl Default for General {
            fn default() -> Self {
                Self { $($name: $usual),* }
            }
        }

        /// All of them, in the order of the sample file.
        pub static GENERAL: &[Field<General>] = &[$(Field {
            key: Key::new(Table::Top, stringify!($name), $form, concat!($($doc, "\n"),*))$(.takes_effect($when))?,
            place: Place { get: |all| all.$name.value(), set: |all, value| put(&mut all.$name, value) },
        }),*];
    };
}

// The keys that the program itself refers to.
/// `preset`.
pub const PRESET: &Key = key(GENERAL, "preset");
/// `mode`.
pub const MODE: &Key = key(GENERAL, "mode");
/// `persist`.
pub const PERSIST: &Key = key(GENERAL, "persist");
/// `exempt`.
pub const EXEMPT: &Key = key(GENERAL, "exempt");
/// `never_hold`.
pub const NEVER_HOLD: &Key = key(GENERAL, "never_hold");
/// `names_for`.
pub const NAMES_FOR: &Key = key(GENERAL, "names_for");
/// `resolvers`.
pub const RESOLVERS: &Key = key(GENERAL, "resolvers");

const DAY: Duration = Duration::from_hours(24);

// NAME: TYPE = DEFAULT, VALUES, when a new value takes effect if not at once.
general! {
    /// The limits to start from. The keys below change single limits. `halfopen preset` lists the presets, and
    /// `halfopen preset NAME` prints one as a file like this, with the reason for each number.
    ///
    /// xp-sp2: the limit of Windows XP SP2. vista-home: the same with two attempts at once. virus-throttle: one first
    /// contact a second. adaptive: credit for first contacts, with an account for each service, user and container.
    /// hosting: adaptive, and limits on the connections of each account. none: no limits.
    preset: Preset = Preset::default(), Form::words::<Preset>();

    /// enforce: attempts over the limit wait. audit: no attempt waits, but halfopen counts and reports those that would
    /// have waited; use it to learn what a limit would do. off: nothing is held or counted.
    mode: Mode = Mode::default(), Form::words::<Mode>();

    /// true: the limit is pinned in /sys/fs/bpf/halfopen and stays in force while no daemon runs, such as after a crash
    /// or during an upgrade. `halfopen off`, or stopping the service, ends it. false: the limit ends with the daemon.
    /// The daemon reads this key only when it starts.
    persist: bool = false, Form::FLAG, "when the daemon starts";

    /// Destinations that are never counted. A host that talks to itself has no peers to protect: "shipped" stands for
    /// loopback, 127.0.0.0/8 and ::1. Your value replaces the list, so keep the word in it to add to the list:
    ///
    ///     exempt = ["shipped", "10.0.0.0/8"]
    exempt: Vec<IpNet> = loopback(), Form::EXEMPT;

    /// Programs that are never held, although their attempts count and take slots. They keep the host reachable and
    /// manageable. "shipped" stands for the list of this version: sshd, kubelet, container runtimes, name resolution,
    /// clocks, and configuration and monitoring agents. `halfopen check` shows that list, with the reason for each rule
    /// and whether the rule matches anybody on this host. Your value replaces the list, so keep the word "shipped" in
    /// it to add to the list:
    ///
    ///     never_hold = ["shipped", { cgroup = "/system.slice/prometheus.service", reason = "scrapes all we have" }]
    ///
    /// or write [[never_hold]] tables, without the word. A rule can name a cgroup (which includes the cgroups below
    /// it), a user (by name or number, looked up when this file is read) and an exe (a file, identified
    /// by inode and device and looked up again every second). All conditions of a rule must hold. An exe without a user
    /// applies only if root runs it: any other user could start that file with LD_PRELOAD and escape the limit. A rule
    /// cannot name a program by its comm, because programs choose that name themselves.
    never_hold: NeverHoldList = NeverHoldList::default(), Form::NEVER_HOLD;

    /// TCP packets that a program builds itself and sends through a raw socket bypass the kernel's TCP, and thus the
    /// queue. refuse: sending them fails, as under the original. count: they are sent and counted. allow: they are
    /// sent.
    raw_tcp: RawTcp = RawTcp::default(), Form::words::<RawTcp>();

    /// A container that has packet sockets (CAP_NET_RAW), or that copies, rewrites or forwards packets, can send TCP that
    /// none of its sockets has sent. limit: connections that it opens so are first contacts of its gate (the host's end
    /// of its pair of devices, or a bridge of such ends): they cost the credit that an account has, and are dropped
    /// without it. count: those without credit are counted. allow: they pass. auto: limit if the whole cgroup hierarchy
    /// is limited, else allow. Without first contacts, as in xp-sp2, all are allowed.
    forwarded_tcp: Forwarded = Forwarded::default(), Form::words::<Forwarded>();

    /// true: while the daemon runs, it wakes each waiting attempt when its turn comes, by a packet that the host sends
    /// to itself. Attempts then use free slots at once and hardly ever have to ask. false: attempts only ask by
    /// themselves.
    wakeups: bool = true, Form::FLAG;

    /// How many attempts may be alive at once, waiting or out. Each needs a record of about 300 bytes of kernel memory,
    /// allocated at the start for the next power of two and a quarter more. If no record is free, connect() fails with
    /// ENOBUFS. A pinned limit keeps its number of records: a new number applies after `halfopen off` and a start.
    records: u32 = Settings::RECORDS, Form::number(1_024, 2_097_152).such_as("32768"),
        "after `halfopen off` and a start";

    /// How long an address that has answered stays known. If first contacts cost credit, contacts with known addresses
    /// cost none.
    known_for: Duration = Duration::from_hours(1), Form::time(Duration::from_secs(1), DAY, "\"1h\"");

    /// Whose attempts benefit when a DNS answer names an address; docs/use/names.md says what a name is worth. client:
    /// only those of the container, pod, service or session that asked. host: those of all programs; choose it if
    /// programs let a service ask for them (nss-resolve, nscd). off: halfopen does not read answers.
    names: NameTrust = NameTrust::default(), Form::words::<NameTrust>();

    /// The shortest time that an address stays named after the answer; a longer TTL in the answer counts instead.
    /// Programs keep addresses for longer than the TTL.
    names_for: Duration = Duration::from_hours(1), Form::time(Duration::from_secs(1), DAY, "\"1h\"");

    /// The resolvers whose answers count. system: the name servers of /etc/resolv.conf and of systemd-resolved. Add the
    /// resolvers that containers use, such as "10.96.0.10".
    resolvers: Resolvers = Resolvers::default(), Form::RESOLVERS;

    /// A group whose members may change what root may change over the control socket: settings, suspects, blocks, the
    /// mode, and the end of the limit. They must be able to connect: that can the members of the group halfopen, who
    /// otherwise only read. "off": only root changes anything.
    admin_group: Option<String> = None, Form::GROUP.or("off"), "when the daemon starts";

    /// halfopen sends event 4226 once an attempt has waited for this long, was refused or gave up. Shorter waits are
    /// only counted: `halfopen status` shows them. "0s": every wait counts, however short.
    event_after: Duration = Duration::from_secs(1), Form::time(Duration::ZERO, DAY, "\"1s\"");
}
