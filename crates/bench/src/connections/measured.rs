//! What was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::Spread;
use testkit::dial::{Outcome, Report};

/// Of one workload with one limiter.
#[derive(Debug)]
pub struct Measured {
    /// The tenant's.
    pub dials: Dials,
    /// How long the workload took.
    pub took: Duration,
    /// How many left later than one that had begun after them.
    pub overtaken: usize,
    /// The most connections that arrived at the far end within one second.
    pub most_in_a_second: usize,
    /// The most that the far end had accepted and not closed, those of the other tenant included.
    pub most_open: usize,
    /// How many entries the NAT box had for the tenant's at the end, those of connections that have ended included.
    pub entries: usize,
    /// How many of these it took for open.
    pub entries_open: usize,
    /// Those of another tenant meanwhile, to another address.
    pub beside: Dials,
    /// What came of the churn, where there was one.
    pub churned: Option<Churned>,
}

/// What became of dials that have ended.
#[derive(Debug)]
pub struct Dials {
    /// How many connected.
    pub connected: usize,
    /// How many failed.
    pub failed: usize,
    /// How long those that connected took, in milliseconds.
    pub waits_ms: Vec<f64>,
}

/// Of connections that end in all ways.
#[derive(Debug)]
pub struct Churned {
    /// How many did.
    pub ended: usize,
    /// By way, those that did not, and one of the errors.
    pub failed: BTreeMap<&'static str, (usize, String)>,
    /// How many fewer than the limit could be opened after that; of what limits how many are open.
    pub leaked: Option<usize>,
}

impl Dials {
    pub fn of(reports: &[Report]) -> Self {
        let connected = reports.iter().filter(|report| report.outcome == Outcome::Connected);
        let waits_ms: Vec<_> = connected.map(|report| report.waited().as_secs_f64() * 1e3).collect();
        Self { connected: waits_ms.len(), failed: reports.len() - waits_ms.len(), waits_ms }
    }

    pub fn waits(&self) -> Spread {
        Spread::of(self.waits_ms.iter().copied())
    }

    fn to_json(&self) -> Value {
        json!({ "connected": self.connected, "failed": self.failed, "wait_ms": self.waits().to_json() })
    }
}

impl Measured {
    pub fn to_json(&self) -> Value {
        let churned = self.churned.as_ref().map(
            |churned| json!({ "ended": churned.ended, "failed": churned.failed, "leaked": churned.leaked }),
        );
        json!({
            "dials": self.dials.to_json(), "took_s": self.took.as_secs_f64(), "overtaken": self.overtaken,
            "most_in_a_second": self.most_in_a_second, "most_open": self.most_open, "entries": self.entries, "entries_open": self.entries_open,
            "beside": self.beside.to_json(), "churned": churned,
        })
    }

    /// For those who wait for the rest.
    pub fn line(&self) -> String {
        let Self { dials, took, overtaken, most_in_a_second, most_open, .. } = self;
        let Self { entries, entries_open, beside, churned, .. } = self;
        let churned = churned.as_ref().map(|churned| {
            let failed: usize = churned.failed.values().map(|(count, _)| count).sum();
            format!(
                "; churned {} ({failed} failed: {:?}), leaked {:?}",
                churned.ended, churned.failed, churned.leaked
            )
        });
        format!(
            "{} connected, {} failed in {:.1} s, median {:.1} ms, most {:.1} ms; {overtaken} overtaken; at most \
             {most_in_a_second} a second, {most_open} open; {entries} entries, {entries_open} of them open; beside {} connected, {} failed, most \
             {:.1} ms{}",
            dials.connected,
            dials.failed,
            took.as_secs_f64(),
            dials.waits().median(),
            dials.waits().most(),
            beside.connected,
            beside.failed,
            beside.waits().most(),
            churned.unwrap_or_default()
        )
    }
}
