//! Publishes events: to the system log, stderr, memory, and the clients that follow them.

use crate::events::kept::{Past, REMEMBERED};
use crate::events::{
    ConnectionsReport, DenialReport, Denials, Episodes, Event, HeldConnections, KeptEvents, Report, State,
    StoppedDatagrams, StoppedReport, SuspectReport, Suspects, SystemLog, episode,
};
use crate::otlp::Exporter;
use crate::output;
use crate::recorder::Recorder;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// How many events a follower may lag behind before it misses some.
const LAG: usize = 256;

/// The episodes of all scopes, and the outputs for their events.
#[derive(Debug)]
pub struct Announcer {
    /// The episodes of each scope.
    pub episodes: Episodes,
    /// Accounts that have become suspects.
    pub suspects: Suspects,
    /// Rules of `[[deny]]` that have matched.
    pub denials: Denials,
    /// Accounts that have stopped first contacts over UDP.
    pub stopped_datagrams: StoppedDatagrams,
    /// Accounts whose attempts limits on connections hold back.
    pub held_connections: HeldConnections,
    log: SystemLog,
    memory: VecDeque<Arc<Event>>,
    kept: io::Result<KeptEvents>,
    /// Writes the history and the file of events, if there is to be any.
    pub recorder: Option<Recorder>,
    /// Sends events to a collector, if there is one.
    pub exporter: Option<Exporter>,
    /// What earlier daemons could not keep.
    past: Past,
    followers: broadcast::Sender<Arc<Event>>,
}

impl Announcer {
    /// Loads the events that earlier daemons have kept in `directory`, and keeps new ones there.
    #[must_use]
    pub fn new(log: SystemLog, directory: &StateDir, recorder: Option<Recorder>) -> Self {
        let (followers, _) = broadcast::channel(LAG);
        let (kept, mut past) = match KeptEvents::open(directory) {
            Ok((kept, past)) => (Ok(kept), past),
            Err(e) => {
                tracing::warn!("events are lost when this daemon ends: {e}");
                (Err(e), Past::default())
            }
        };
        let memory = std::mem::take(&mut past.events).into_iter().map(Arc::new).collect();
        Self {
            episodes: Episodes::default(),
            suspects: Suspects::default(),
            denials: Denials::default(),
            stopped_datagrams: StoppedDatagrams::default(),
            held_connections: HeldConnections::default(),
            log,
            memory,
            kept,
            recorder,
            exporter: None,
            past,
            followers,
        }
    }

    /// Continues the episodes that an earlier daemon of this limit announced. `now` and `began`, when the limit began,
    /// are times of the kernel part's clock.
    pub fn resume_episodes(&mut self, now: Duration, began: Duration) {
        for event in &self.memory {
            // If the clock was set back meanwhile, the event counts as new.
            let at = now.saturating_sub(UtcTime::now().since(event.time));
            if at < began {
                continue;
            }
            match event.state {
                State::Reached => self.episodes.resume(&event.scope, episode::State::Reached, at),
                State::Cleared => self.episodes.resume(&event.scope, episode::State::Cleared, at),
                State::Suspect => self.suspects.resume(&event.scope, at),
                State::Denied => self.denials.resume(&event.scope, at),
                State::UdpStopped => self.stopped_datagrams.resume(&event.scope, at),
                State::ConnectionLimit => self.held_connections.resume(&event.scope, at),
            }
        }
    }

    /// Writes the event for `report`, in a scope with this `limit` and `queued` attempts.
    pub fn announce(&mut self, report: Report, limit: Option<u32>, queued: u64) {
        self.write(Event::new(report, UtcTime::now(), limit, queued));
    }

    /// Writes the event for a suspect, of a scope with this `limit` and `queued` attempts.
    pub fn announce_suspect(&mut self, report: SuspectReport, limit: Option<u32>, queued: u64) {
        self.write(Event::of_suspect(report, UtcTime::now(), limit, queued));
    }

    /// Writes the event for a rule of `[[deny]]`.
    pub fn announce_denial(&mut self, report: DenialReport) {
        self.write(Event::of_denial(report, UtcTime::now()));
    }

    /// Writes the event for an account that has stopped first contacts over UDP.
    pub fn announce_stopped_datagrams(&mut self, report: StoppedReport) {
        self.write(Event::of_stopped_datagrams(report, UtcTime::now()));
    }

    /// Writes the event for an account whose attempts a limit on connections holds back. Its scope has this `half_open`,
    /// and `queued` of its attempts wait.
    pub fn announce_connections(&mut self, report: ConnectionsReport, half_open: Option<u32>, queued: u64) {
        self.write(Event::of_connections(report, UtcTime::now(), half_open, queued));
    }

    fn write(&mut self, event: Event) {
        let event = Arc::new(event);
        if self.log.write(&event) {
            output::error_line(&event.to_string());
        }
        if self.memory.len() == REMEMBERED {
            self.memory.pop_front();
        }
        self.memory.push_back(Arc::clone(&event));
        self.keep(&event);
        if let Some(recorder) = &mut self.recorder {
            recorder.event(&event);
        }
        if let Some(exporter) = &mut self.exporter {
            exporter.event(&event);
        }
        // Fails if nobody follows.
        let _ = self.followers.send(event);
    }

    fn keep(&mut self, event: &Event) {
        let Ok(kept) = &mut self.kept else { return };
        let lost = kept.lost();
        match (kept.keep(event), lost) {
            (Err(e), 0) => {
                tracing::warn!("an event is lost when this daemon ends, it cannot be written: {e}");
            }
            (Ok(()), 1..) => {
                tracing::warn!("events are written again; lost when this daemon ends: {lost}");
            }
            _ => {}
        }
    }

    /// Why the next daemon will not know the last event, and how many that are.
    #[must_use]
    pub fn not_kept(&self) -> Option<String> {
        match &self.kept {
            Err(e) => Some(e.to_string()),
            Ok(kept) => (kept.lost() > 0).then(|| format!("lost so far: {} events", kept.lost())),
        }
    }

    /// How many events of earlier daemons are missing, of those not older than `since`.
    #[must_use]
    pub fn lost(&self, since: Option<UtcTime>) -> u64 {
        self.past.lost_since(since)
    }

    /// Whether there is a history to gather data for.
    #[must_use]
    pub fn keeps_history(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::keeps_history)
    }

    /// The events in memory that are not older than `since`.
    #[must_use]
    pub fn remembered(&self, since: Option<UtcTime>) -> Vec<Arc<Event>> {
        let young = |event: &&Arc<Event>| since.is_none_or(|since| event.time >= since);
        self.memory.iter().filter(young).cloned().collect()
    }

    /// The events from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Event>> {
        self.followers.subscribe()
    }

    /// Whether the last event reached the system log.
    #[must_use]
    pub fn log_reached(&self) -> bool {
        self.log.reached()
    }
}
