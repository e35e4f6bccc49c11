//! The process that sends events: from root, which reads what it needs, to a process that talks to the collector.

use super::Sends;
use super::backoff::Backoff;
use super::collector::{Collector, Outcome};
use super::message::{Counts, LONGEST, Told, Trouble};
use super::queue::{Queue, Verdict};
use super::record::Host;
use crate::events::Event;
use crate::privileged::serving::deafen;
use crate::rate_limit::RateLimit;
use crate::recorder::at_socket;
use crate::sandbox;
use anyhow::{Context, Result};
use rustix::net::SocketType;
use rustix::process::umask;
use rustix::thread::set_name;
use std::future::pending;
use std::io;
use std::mem::{Discriminant, discriminant};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep_until, timeout};

/// How long events are gathered for one request.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// How many events a request has at most.
const AT_ONCE: usize = 100;
/// How long what waits may be sent when the daemon ends.
const AT_THE_END: Duration = Duration::from_secs(2);

/// Sends what the daemon at the other end of standard input hands over.
///
/// # Errors
/// If standard input is not such a socket, or if this process cannot be sandboxed.
pub fn serve(sends: &Sends) -> Result<()> {
    let stdin = io::stdin();
    at_socket(&stdin, SocketType::SEQPACKET, "otlp-exporter")?;
    // Its messages are received as those of a datagram socket are.
    let daemon = StdDatagram::from(stdin.as_fd().try_clone_to_owned()?);
    // ps shows it.
    let _ = set_name(c"halfopen-otlp");
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    deafen()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let collector = match Collector::open(sends) {
        Ok(collector) => collector,
        Err(trouble) => {
            tracing::error!("no event is sent to {}: {trouble}", sends.endpoint);
            let told = Told { trouble: Some(trouble), ..Told::default() };
            daemon.send(&serde_json::to_vec(&told)?)?;
            return Ok(());
        }
    };
    let host = Host::this();
    sandbox::enter_as_exporter(sends.endpoint.port)
        .context("the process that sends events is not sandboxed")?;
    daemon.set_nonblocking(true)?;
    let sending = Sending {
        host,
        queue: Queue::of(sends.queue),
        backoff: Backoff::default(),
        trouble: None,
        logged: RateLimit::default(),
    };
    runtime.block_on(async { sending.serve(&UnixDatagram::from_std(daemon)?, &collector).await })
}

/// A request that is under way.
type UnderWay<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// What came of the request that is under way; if none is, nothing ever.
async fn done(under_way: Option<&mut UnderWay<'_>>) -> Outcome {
    match under_way {
        Some(under_way) => under_way.await,
        None => pending().await,
    }
}

struct Sending {
    host: Host,
    queue: Queue<Event>,
    backoff: Backoff,
    trouble: Option<Trouble>,
    logged: RateLimit<Discriminant<Trouble>>,
}

impl Sending {
    async fn serve(mut self, daemon: &UnixDatagram, collector: &Collector) -> Result<()> {
        let mut bytes = vec![0; LONGEST];
        let mut said = Told::default();
        let mut under_way: Option<UnderWay<'_>> = None;
        // When the next request is due.
        let mut due = Instant::now();
        loop {
            let told = Told { counts: self.queue.counts(), trouble: self.trouble.clone() };
            if told != said && daemon.try_send(&serde_json::to_vec(&told)?).is_ok() {
                said = told;
            }
            let is_due = under_way.is_none() && !self.queue.is_empty();
            tokio::select! {
                received = daemon.recv(&mut bytes) => {
                    let length = match received {
                        Ok(0) => break,
                        Ok(length) => length,
                        // The daemon has ended without reading what was said last: its last events follow.
                        Err(e) if e.kind() == io::ErrorKind::ConnectionReset => continue,
                        Err(e) => return Err(e.into()),
                    };
                    if under_way.is_none() && self.queue.is_empty() {
                        due = due.max(Instant::now() + GATHERED_FOR);
                    }
                    match serde_json::from_slice(&bytes[..length]) {
                        Ok(event) => self.queue.add(event),
                        Err(e) => tracing::warn!("an event is not sent, because nobody understands it: {e}"),
                    }
                }
                outcome = done(under_way.as_mut()) => {
                    under_way = None;
                    due = Instant::now() + self.note(outcome);
                }
                () = sleep_until(due), if is_due => {
                    let body = self.host.request(&self.queue.batch(AT_ONCE));
                    under_way = Some(Box::pin(collector.send(body)));
                }
            }
        }
        let rest = async {
            if let Some(under_way) = under_way {
                let outcome = under_way.await;
                self.note(outcome);
            }
            self.finish(collector).await;
        };
        let _ = timeout(AT_THE_END, rest).await;
        let Counts { waiting, .. } = self.queue.counts();
        if waiting > 0 {
            tracing::warn!(
                "the daemon ends, and events that the collector has not taken are lost: {waiting}"
            );
        }
        Ok(())
    }

    /// Sends what waits, unless the collector fails.
    async fn finish(&mut self, collector: &Collector) {
        while self.trouble.is_none() && !self.queue.is_empty() {
            let outcome = collector.send(self.host.request(&self.queue.batch(AT_ONCE))).await;
            self.note(outcome);
        }
    }

    /// Takes note of what came of a request; how long to wait for the next one.
    fn note(&mut self, outcome: Outcome) -> Duration {
        let Outcome { verdict, trouble, asked } = outcome;
        self.queue.settle(verdict);
        self.log(trouble.as_ref());
        self.trouble = trouble;
        if verdict != Verdict::Again {
            self.backoff.over();
            return GATHERED_FOR;
        }
        // Any clock will do: hosts that fail together do not do so to the nanosecond.
        let chance =
            f64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos()) / 1e9;
        self.backoff.next(asked, chance)
    }

    fn log(&mut self, trouble: Option<&Trouble>) {
        let counts = self.queue.counts();
        match (&self.trouble, trouble) {
            (Some(_), None) => {
                tracing::info!("the collector takes events again; lost so far: {}", counts.lost());
            }
            (_, Some(trouble)) => {
                let now = halfopen_bpf::monotonic();
                if self.logged.take(now, discriminant(trouble)).is_some() {
                    tracing::warn!(
                        "{trouble}; waiting: {}, lost so far: {} events",
                        counts.waiting,
                        counts.lost()
                    );
                }
            }
            (None, None) => {}
        }
    }
}
