//! Where the daemon offers its metrics.

use super::chosen::Chosen;
use crate::metrics::server::Scrape;
use std::net::SocketAddr;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where metrics are offered.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Endpoint {
    pub(super) scrapes: Option<mpsc::Sender<Scrape>>,
    pub(super) serves: Option<(SocketAddr, JoinHandle<()>)>,
    /// Why nobody can scrape, though the configuration says so.
    pub(super) not_served: Option<String>,
    pub(super) chosen: Chosen,
}

impl Endpoint {
    /// Why nobody can scrape the metrics, if the configuration offers them.
    pub(in crate::daemon) fn not_served(&self) -> Option<&str> {
        self.not_served.as_deref()
    }

    pub(super) fn end(&mut self) {
        if let Some((at, serves)) = self.serves.take() {
            serves.abort();
            tracing::info!("the metrics are no longer at http://{at}/metrics");
        }
    }
}
