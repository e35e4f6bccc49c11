//! Why the limit is less than it could be.

use halfopen_bpf::Shortcoming;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes the enum, the list of its members and what is told about each from one table.
macro_rules! degradations {
    ($($(#[$doc:meta])* $reason:ident $name:literal, $explain:expr, $advice:literal;)*) => {
        /// Why the limit is less than it could be.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Degradation { $($(#[$doc])* $reason,)* }

        impl Degradation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// Its name in JSON and in metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$reason => $name,)* }
            }

            /// What it means, for `status`, `doctor` and the log.
            #[must_use]
            pub fn explain(self) -> &'static str {
                match self { $(Self::$reason => $explain,)* }
            }

            /// What to do about it: a phrase.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$reason => $advice,)* }
            }
        }
    };
}

degradations! {
    /// The mode is `audit`.
    Audit "audit",
    "mode is audit: nothing is held",
    "nothing, if you chose it; `halfopen enforce --for 10m` tries enforcing";
    /// The mode is `off`.
    Off "off",
    "mode is off: nothing is held or counted",
    "nothing, if you chose it; `halfopen set mode audit` counts again";
    /// A rule of `never_hold` matches nobody on this host.
    UnmetRule "unmet_rule",
    "a rule of `never_hold` matches nobody: the programs that it is meant for are held",
    "correct the user, file or cgroup, or remove the rule; `halfopen check` shows where it is";
    /// A rule of `[[scope]]` matches nobody on this host.
    UnmetScope "unmet_scope",
    "a rule of [[scope]] matches nobody: it limits nothing",
    "correct the user, file or cgroup, or remove the rule; `halfopen check` shows where it is";
    /// The last event reached neither journald nor syslog.
    NoSystemLog "no_system_log",
    "no system log takes events: they are only on stderr and in `halfopen events`",
    "start journald or a syslog daemon; until then, read `halfopen events`";
    /// The last event or the last counts could not be written to the files that outlive the daemon.
    EventsNotKept "events_not_kept",
    "the daemon cannot save events or counts (is the file system of /var/lib/halfopen full?): when it ends, `halfopen \
     events` and `halfopen report` lack them; the system log has the events",
    "free space in the file system of /var/lib/halfopen";
    /// The history lacks what happens now.
    HistoryNotKept "history_not_kept",
    "the history in /var/lib/halfopen cannot be written: `halfopen history`, `tune` and `explain` lack what happens \
     now; the limit goes on",
    "free space in the file system of /var/lib/halfopen; if its process has ended, restart the daemon";
    /// The file of events lacks events.
    EventsFileNotWritten "events_file_not_written",
    "the file that `events.file` names cannot be written: it lacks events, which the system log and `halfopen events` \
     have",
    "make its directory or free space there; restart the daemon if the directory is new";
    /// The collector lacks events.
    EventsNotSent "events_not_sent",
    "the collector that `otlp.endpoint` names does not take all events, which the system log and `halfopen events` have; \
     the limit goes on",
    "do what the reason says; while the collector is down, up to `otlp.queue` events wait for it";
    /// The kernel cannot set `TCP_RTO_MAX_MS`.
    LongWaits "long_waits",
    Shortcoming::RtoMaxNotSettable.explain(),
    "nothing, or a newer kernel: the limit holds";
    /// The daemon cannot send wakeup packets to some waiters, or to any.
    WakeupsNotSent "wakeups_not_sent",
    "the daemon cannot send the packets that wake waiting attempts (with RUST_LOG=debug the log says \
     why): the attempts re-check by themselves, somewhat later",
    "nothing, if the waits are short enough; else set RUST_LOG=debug for the daemon and read why";
    /// Wakeup packets do not reach some waiters.
    WakeupsWithoutEffect "wakeups_without_effect",
    "the packets that wake waiting attempts have no effect (does a firewall drop them on lo, or a socket \
     filter?): the attempts re-check by themselves, somewhat later",
    "find the firewall that drops RST packets on lo, or the socket filter; the limit holds meanwhile";
    /// The BPF file system that holds the pins is unmounted.
    PinsUnmounted "pins_unmounted",
    "the BPF file system that holds the pins is unmounted: the limit may end with this daemon, and the \
     next daemon cannot take it over; mount the file system (mount -t bpf bpf /sys/fs/bpf), run `halfopen \
     off`, and start the daemon again",
    "mount -t bpf bpf /sys/fs/bpf, run `halfopen off`, and start the daemon again";
    /// There is no user that the daemon could switch to.
    NoOwnUser "no_own_user",
    "there is no user halfopen: the daemon stays uid 0, without capabilities (the package creates the \
     user; or run: useradd --system --no-create-home halfopen)",
    "useradd --system --no-create-home halfopen, and restart the daemon";
    /// The daemon does not see the processes of the host.
    OwnPidNamespace "own_pid_namespace",
    "the daemon runs in a PID namespace of its own, as containers do: events lack exe, waiters in other network \
     namespaces are not woken, and when the daemon ends, those held there keep the options of a hold; run it \
     in the host's (podman or docker run --pid=host)",
    "run the daemon in the host's PID namespace: podman or docker run --pid=host";
    /// The kernel has no Landlock.
    NoLandlock "no_landlock",
    "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=): the daemon can read \
     every file that its user can read",
    "a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm=";
    /// The kernel has no seccomp filters.
    NoSeccomp "no_seccomp",
    "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): the daemon can make every system call",
    "a kernel with CONFIG_SECCOMP_FILTER";
    /// The privileged helper has ended for good, or does not answer.
    NoHelper "no_helper",
    "the privileged helper does not answer, or has ended together with the process that restarts it: the \
     limit holds, but events lack exe and cgroup, `exec` is refused, and when the daemon ends, held \
     attempts in other network namespaces keep the options of a hold; restart the daemon",
    "restart the daemon";
    /// A hook that the configuration asks for could not be attached.
    HookNotAttached "hook_not_attached",
    "a hook that the configuration asks for could not be attached, so what needs it has no effect; the \
     daemon tries again every second (`halfopen doctor` shows who else holds the hooks)",
    "find with `halfopen doctor` who holds the hooks, and have it attached with BPF_F_ALLOW_MULTI";
    /// The daemon is to read DNS answers, but knows no resolver.
    NoResolver "no_resolver",
    "no resolver is known (no nameserver in /etc/resolv.conf, none in `resolvers`): no address is ever \
     named",
    "add a nameserver to /etc/resolv.conf, or name the resolver in `resolvers`";
    /// Names count only for whoever asked, and systemd-resolved asks on behalf of this host's programs.
    NamesAskedByOthers "names_asked_by_others",
    "programs here resolve names through nss-resolve (/etc/nsswitch.conf), which bypasses \
     systemd-resolved's stub: the answers count for systemd-resolved alone, and first contacts of these \
     programs count as unnamed; names = \"host\" makes the answers count for all programs",
    "set names = \"host\", if every program on the host may profit from the names that others ask for";
    /// Nobody can scrape the metrics.
    MetricsNotServed "metrics_not_served",
    "the daemon cannot listen on `metrics.listen`, so nobody can scrape its metrics; it tries again every second",
    "end what listens there (`ss -ltnp` names it), or set another `metrics.listen`";
    /// Nobody can reach the dashboard.
    DashboardNotServed "dashboard_not_served",
    "nobody can reach the dashboard that `dashboard.listen` asks for; the limit and every command work all the same",
    "do what the reason says, and restart the daemon";
    /// A socket of a container runtime did not give its list of containers.
    RuntimeSocketFailed "runtime_socket_failed",
    "a socket that `containers.sockets` names does not list its containers: events and `status` may show their numbers \
     in place of names; it is asked again every 10 seconds",
    "start the container runtime, or correct `containers.sockets` and restart the daemon";
    /// Connection tracking is nearly full, and held attempts take entries too.
    ConntrackNearlyFull "conntrack_nearly_full",
    "connection tracking is nearly full",
    "raise net.netfilter.nf_conntrack_max, or exempt from tracking what needs none (nft: notrack)";
    /// More than half of the records of connections are in use.
    ConnectionRecordsHalfFull "connection_records_half_full",
    "more than half of the records of connections are in use; without one, an attempt that a limit counts waits",
    "find with `halfopen status` which scope counts them; if they are meant, limit `connect_rate` there in place of \
     `established`";
}

impl From<Shortcoming> for Degradation {
    fn from(found: Shortcoming) -> Self {
        match found {
            Shortcoming::RtoMaxNotSettable => Self::LongWaits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_name_that_json_has() {
        for reason in Degradation::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
