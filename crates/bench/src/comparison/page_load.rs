//! Workload g: a browser loads a page of sixty resources on thirty names while a scanner runs.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use halfopen_bench::peers::Peer;
use halfopen_bench::runs::Limiter;
use serde_json::{Value, json};
use testkit::page::{Page, RESOURCES};
use testkit::workload::{PATIENCE, THREADS, VICTIM, scanner};
use testkit::{Dialer, Host, HostKind, Kind, Lab, Side, Wan};

/// Each way; half of what workload e has for a round trip.
const DELAY: Duration = Duration::from_millis(20);
/// A user who has waited that long is gone.
const LIMIT: Duration = Duration::from_secs(45);
/// The scanner is on before, for as long as one of its dials takes: its first rush is over then.
const HEAD_START: Duration = PATIENCE;

/// Where the scanner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beside {
    /// In another cgroup than the browser.
    Elsewhere,
    /// In the browser's own.
    SameCgroup,
}

/// One load of the page.
pub struct PageLoad {
    pub limiter: &'static str,
    pub beside: Beside,
    seed: u64,
    /// `None` if it did not end in time.
    pub load: Option<Duration>,
    /// How many of the page's resources came.
    pub resources: usize,
    /// Distinct dead addresses that the scanner reached.
    pub dead_reached: usize,
}

impl Beside {
    pub const ALL: [Self; 2] = [Self::Elsewhere, Self::SameCgroup];

    pub fn shown(self) -> &'static str {
        match self {
            Self::Elsewhere => "scanner in another cgroup",
            Self::SameCgroup => "scanner in the same cgroup",
        }
    }
}

impl PageLoad {
    pub fn measure(limiter: &Peer, beside: Beside, seed: u64) -> Result<Self> {
        let lab = Lab::builder().seed(seed).wan(Wan { delay: DELAY, loss: 0.0 }).build()?;
        let scan = scanner(seed, HEAD_START + LIMIT);
        let dead: Vec<_> = scan.dials().map(|(_, dial)| dial.to.into()).collect();
        let hosts: Vec<_> =
            dead.iter().map(|address| Host { address: *address, kind: HostKind::Dead }).collect();
        lab.place(&hosts)?;
        let page = Page::serve(&lab)?;
        let in_force = limiter.put_into(&lab)?;
        let victim = lab.cgroup().child(VICTIM)?;
        let other = lab.cgroup().child("reader")?;
        let browser = if beside == Beside::SameCgroup { &victim } else { &other };
        let capture = lab.capture(Side::Client)?;
        let scanning = Dialer::new(&lab)
            .cgroup(&victim)
            .destinations(dead.iter().map(|address| (*address, testkit::PORT).into()))
            .blocking(THREADS)
            .patience(PATIENCE)
            .spawn()?;
        sleep(HEAD_START);
        let loaded = page.load(&lab, browser, LIMIT).context("loading the page")?;
        drop(scanning.kill());
        let captured = capture.finish()?;
        in_force.take_out(&lab)?;
        let dead: BTreeSet<_> = dead.into_iter().collect();
        let reached: BTreeSet<_> = (captured.segments.iter())
            .filter(|segment| matches!(segment.kind, Kind::Syn(_)) && dead.contains(&segment.to.ip()))
            .map(|segment| segment.to.ip())
            .collect();
        Ok(Self {
            limiter: limiter.id,
            beside,
            seed,
            load: loaded.load.filter(|_| loaded.resources == RESOURCES),
            resources: loaded.resources,
            dead_reached: reached.len(),
        })
    }

    pub fn line(&self) -> String {
        let load = self.load.map_or("not in time".to_owned(), |load| format!("after {load:.3?}"));
        let (beside, limiter, resources) = (self.beside.shown(), self.limiter, self.resources);
        format!("g, {beside}, with {limiter}: page {load}, {resources} of {RESOURCES} resources")
    }

    /// In seconds; a page that did not come takes forever.
    pub fn seconds(&self) -> f64 {
        self.load.map_or(f64::INFINITY, |load| load.as_secs_f64())
    }

    pub fn to_json(&self) -> Value {
        json!({
            "limiter": self.limiter, "beside": format!("{:?}", self.beside), "seed": self.seed,
            "load_s": self.load.map(|load| load.as_secs_f64()), "resources": self.resources,
            "dead_reached": self.dead_reached,
        })
    }
}
