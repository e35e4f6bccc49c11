//! Offers the daemon's metrics, and reads what a scrape asks for.

mod chosen;
pub(super) mod endpoint;
mod scrape;

use crate::control::DegradedStatus;
use crate::daemon::enforcement::Enforcement;
use crate::metrics::server::{self, Scrape};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

impl Enforcement {
    /// Offers metrics from now on, where the configuration says so.
    pub(super) fn offer_metrics(&mut self, scrapes: mpsc::Sender<Scrape>) {
        self.endpoint.scrapes = Some(scrapes);
        self.follow_listen();
    }

    /// Listens where the configuration says, or tries again. The limit does not depend on it.
    pub(super) fn follow_listen(&mut self) {
        let wanted = self.resolved.metrics().listen;
        if self.endpoint.serves.as_ref().map(|(at, _)| *at) != wanted {
            self.endpoint.end();
        }
        let (Some(at), Some(scrapes), None) = (wanted, self.endpoint.scrapes.clone(), &self.endpoint.serves)
        else {
            self.endpoint.not_served = None;
            return;
        };
        match self.listen(at) {
            Ok(listener) => {
                let serves = tokio::spawn(server::serve(listener, scrapes));
                self.endpoint.serves = Some((at, serves));
                self.endpoint.not_served = None;
                tracing::info!("the metrics are at http://{at}/metrics");
            }
            Err(e) => {
                let why = e.to_string();
                if self.endpoint.not_served.as_ref() != Some(&why) {
                    tracing::warn!("{}", DegradedStatus::metrics_not_served(&why).explanation);
                }
                self.endpoint.not_served = Some(why);
            }
        }
    }

    /// The sandbox lets this process make no socket of TCP.
    fn listen(&mut self, at: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.means.helper.listen(at)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }
}
