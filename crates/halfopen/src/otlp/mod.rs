//! Events as log records to a collector of OpenTelemetry, by OTLP over HTTP. A process of its own sends them: it may
//! connect to the collector and has no other right. The daemon hands events over and never waits.

pub mod attributes;
mod backoff;
mod collector;
mod headers;
pub mod message;
pub mod ocsf;
pub mod process;
mod queue;
mod record;
pub mod serving;

use crate::config::{CollectorUrl, Resolved};
use std::ffi::OsString;
use std::path::PathBuf;

pub use message::{Counts, Told, Trouble};
pub use process::Exporter;

/// Where events are sent, and with what.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Sends {
    /// The collector
    #[arg(long, value_name = "URL")]
    pub endpoint: CollectorUrl,
    /// The file of headers that go with each request
    #[arg(long, value_name = "PATH")]
    pub headers: Option<PathBuf>,
    /// The certificates that vouch for the collector's; without this, those of the system
    #[arg(long, value_name = "PATH")]
    pub ca: Option<PathBuf>,
    /// How many events wait at most
    #[arg(long, value_name = "N")]
    pub queue: usize,
}

impl Sends {
    /// What the configuration says; `None` if nothing is to be sent.
    #[must_use]
    pub fn of(resolved: &Resolved) -> Option<Self> {
        let otlp = resolved.otlp();
        Some(Self {
            endpoint: otlp.endpoint?,
            headers: otlp.headers,
            ca: otlp.ca,
            queue: otlp.queue as usize,
        })
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["otlp-exporter".into(), "--endpoint".into()];
        all.extend([self.endpoint.to_string().into(), "--queue".into(), self.queue.to_string().into()]);
        for (name, file) in [("--headers", &self.headers), ("--ca", &self.ca)] {
            all.extend(file.iter().flat_map(|file| [OsString::from(name), file.into()]));
        }
        all
    }
}
