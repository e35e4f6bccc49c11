//! The table of the metrics: what each counts, and what it takes from a [`Reading`]. The reference and the help text of
//! each metric are its comment.

use super::reading::{Account, Counts, Reading};
use crate::config::Words;
use crate::control::Degradation;
use halfopen_bpf::{Fault, Histogram};
use halfopen_policy::Mode;
use prometheus_client::metrics::MetricType;

/// The name and value of each label of a sample.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;
/// Takes one sample.
pub type Each<'e> = &'e mut dyn FnMut(Labels<'_>, Number<'_>);

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number<'a> {
    /// A count.
    Whole(u64),
    /// Seconds.
    Seconds(f64),
    /// How often something took how long.
    Durations(&'a Histogram),
}

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows; its samples end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by duration in seconds, whose bounds are powers of two, as native histograms have them.
    Histogram,
}

impl FamilyKind {
    /// Its word in the formats.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    pub(super) fn as_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

/// A metric.
#[derive(Debug)]
pub struct Family {
    /// Its name, for a counter without `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: FamilyKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    comment: &'static str,
    pub(super) samples: fn(&Reading, Each<'_>),
}

impl Family {
    /// The name of its samples.
    #[must_use]
    pub fn sample_name(&self) -> String {
        let end = if self.kind == FamilyKind::Counter { "_total" } else { "" };
        format!("{}{end}", self.name)
    }

    /// What it counts, in one line.
    #[must_use]
    pub fn help(&self) -> String {
        self.comment.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

macro_rules! families {
    ($($(#[doc = $doc:literal])* $kind:ident $name:literal $labels:expr => $samples:expr;)*) => {
        /// All of them, in the order in which they are written.
        pub static FAMILIES: &[Family] = &[$(Family {
            name: concat!("halfopen_", $name),
            kind: FamilyKind::$kind,
            labels: &$labels,
            comment: concat!($($doc, "\n"),*),
            samples: $samples,
        }),*];
    };
}

const WHOSE: [&str; 2] = ["scope", "account"];

families! {
    /// Attempts that have ended: established (answered), failed (refused, unreachable, timed out or closed after their
    /// SYN had left), cancelled (ended by their program while they waited), gave_up (timed out while they waited),
    /// refused_queue_full and refused_blocked (connect() failed at once).
    Counter "attempts" ["scope", "account", "outcome"] => |reading, each| {
        for account in &reading.accounts {
            let counts = account.counts;
            for (outcome, count) in [
                ("established", counts.established),
                ("failed", counts.failed),
                ("cancelled", counts.cancelled),
                ("gave_up", counts.gave_up),
                ("refused_queue_full", counts.refused_queue_full),
                ("refused_blocked", counts.refused_blocked),
            ] {
                each(whose(account, Some(("outcome", outcome))), Number::Whole(count));
            }
        }
    };
    /// Attempts whose first SYN has left: at_once, or after_wait.
    Counter "let_out" ["scope", "account", "when"] => |reading, each| {
        for account in &reading.accounts {
            each(whose(account, Some(("when", "at_once"))), Number::Whole(account.counts.at_once));
            each(whose(account, Some(("when", "after_wait"))), Number::Whole(account.counts.after_wait));
        }
    };
    /// Attempts that went out at once where mode = "enforce" would have held them. Only audit mode counts them.
    Counter "would_have_waited" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.counts.would_have_waited));
    };
    /// First contacts over TCP that were let out, where they cost credit.
    Counter "first_contacts" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.counts.first_contacts));
    };
    /// Attempts that wait now: halfopen withholds their SYN.
    Gauge "waiting" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.waiting));
    };
    /// Attempts that are half-open now and hold a slot: their SYN is out and unanswered, for less than slot_life.
    Gauge "half_open" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.half_open));
    };
    /// Attempts that have been out and unanswered for longer than slot_life: they hold no slot any more.
    Gauge "aged" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.aged));
    };
    /// The longest wait that has ended, in seconds.
    Gauge "longest_wait_seconds" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Seconds(account.now.longest_wait.as_secs_f64()));
    };
    /// How long attempts have waited whose SYN then left, in seconds. Of the whole host.
    Histogram "wait_seconds" [] => |reading, each| {
        each(Vec::new(), Number::Durations(&reading.durations.waits));
    };
    /// How long attempts would have waited that audit mode let out at once, in seconds, as far as it has learned that since
    /// the daemon began. Of the whole host.
    Histogram "would_wait_seconds" [] => |reading, each| {
        each(Vec::new(), Number::Durations(&reading.would_wait));
    };
    /// From an attempt's first SYN that left to its answer, in seconds. Of the whole host.
    Histogram "handshake_seconds" [] => |reading, each| {
        each(Vec::new(), Number::Durations(&reading.durations.handshakes));
    };
    /// Connections that are open now, half-open ones included. Only those that `established` limits are counted.
    Gauge "connections_open" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.connections_open));
    };
    /// Connections that have ended and still count, for `time_wait`.
    Gauge "connections_ended" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.connections_ended));
    };
    /// Attempts that had to wait (in audit mode: would have had to) for a limit on connections: that on their rate or
    /// number in the account (account), or one on their destination (destination).
    Counter "connections_waited" ["scope", "account", "limit_of"] => |reading, each| {
        for account in &reading.accounts {
            let Counts { waited_for_connection, waited_for_destination, .. } = account.counts;
            each(whose(account, Some(("limit_of", "account"))), Number::Whole(waited_for_connection));
            each(whose(account, Some(("limit_of", "destination"))), Number::Whole(waited_for_destination));
        }
    };
    /// 1 for an account that is a suspect now, 0 for the others. For the account "other": how many it sums up.
    Gauge "suspect" WHOSE => |reading, each| {
        each_account(reading, each, |account| Number::Whole(account.now.suspects));
    };
    /// Always 1. What the cgroup of an account belongs to, as far as that is known: join it by scope and account.
    Gauge "account_info" ["scope", "account", "unit", "container", "image", "pod", "namespace", "workload"] => |reading, each| {
        for account in reading.accounts.iter().filter(|account| !account.runs_in.is_unknown()) {
            each(whose(account, None).into_iter().chain(account.runs_in.labels()).collect(), Number::Whole(1));
        }
    };
    /// How many attempts may hold a slot at once in a scope. A scope without a limit has no sample.
    Gauge "half_open_limit" ["scope"] => |reading, each| {
        for scope in &reading.scopes {
            if let Some(limit) = scope.half_open_limit {
                each(vec![("scope", &scope.name)], Number::Whole(limit.into()));
            }
        }
    };
    /// The accounts of a scope, with those that the account "other" sums up.
    Gauge "accounts" ["scope"] => |reading, each| {
        for scope in &reading.scopes {
            each(vec![("scope", &scope.name)], Number::Whole(scope.accounts));
        }
    };
    /// How often something could not be done as intended.
    Counter "faults" ["fault"] => |reading, each| {
        for fault in Fault::ALL {
            let count = reading.faults.iter().find(|found| found.fault == *fault).map_or(0, |found| found.count);
            each(vec![("fault", fault.name())], Number::Whole(count));
        }
    };
    /// Events for the collector that `otlp.endpoint` names: sent, or lost. rejected and refused: the collector did not take
    /// them; queue_full: too many waited; not_taken: the process that sends them had ended or was busy. No samples without
    /// `otlp.endpoint`.
    Counter "otlp_events" ["outcome"] => |reading, each| {
        let Some(sent) = reading.sent else { return };
        for (outcome, count) in [
            ("sent", sent.sent),
            ("rejected", sent.rejected),
            ("refused", sent.refused),
            ("queue_full", sent.queue_full),
            ("not_taken", sent.not_taken),
        ] {
            each(vec![("outcome", outcome)], Number::Whole(count));
        }
    };
    /// Events that wait for the collector. No sample without `otlp.endpoint`.
    Gauge "otlp_waiting" [] => |reading, each| {
        if let Some(sent) = reading.sent {
            each(Vec::new(), Number::Whole(sent.waiting));
        }
    };
    /// 1 for each reason why the limit is less than it could be now, 0 for the others. Mode = "audit" is one.
    Gauge "degraded" ["reason"] => |reading, each| {
        for reason in Degradation::ALL {
            each(vec![("reason", reason.name())], Number::Whole(reading.degraded.contains(reason).into()));
        }
    };
    /// 1 for the mode in force, 0 for the others.
    Gauge "mode" ["mode"] => |reading, each| {
        for (mode, _) in Mode::WORDS {
            each(vec![("mode", mode)], Number::Whole((*mode == reading.mode).into()));
        }
    };
    /// Always 1. config_hash is equal for equal effective configurations.
    Gauge "config_info" ["config_hash", "preset"] => |reading, each| {
        each(vec![("config_hash", &reading.config_hash), ("preset", &reading.preset)], Number::Whole(1));
    };
    /// Always 1. The version of the daemon.
    Gauge "build_info" ["version"] => |_, each| {
        each(vec![("version", env!("CARGO_PKG_VERSION"))], Number::Whole(1));
    };
    /// For how many seconds the counts have been kept: they outlive the daemon if the limit is pinned.
    Gauge "counting_seconds" [] => |reading, each| {
        each(Vec::new(), Number::Seconds(reading.counting_for.as_secs_f64()));
    };
}

fn whose<'a>(account: &'a Account, more: Option<(&'static str, &'a str)>) -> Labels<'a> {
    let mut labels = vec![("scope", account.scope.as_str()), ("account", account.name.as_str())];
    labels.extend(more);
    labels
}

fn each_account(reading: &Reading, each: Each<'_>, number: fn(&Account) -> Number<'static>) {
    for account in &reading.accounts {
        each(whose(account, None), number(account));
    }
}
