//! Publishes events: to the system log, stderr, memory, and the clients that follow them.

use crate::events::kept::REMEMBERED;
use crate::events::{
    DenialReport, Denials, Episodes, Event, KeptEvents, Report, State, StoppedDatagrams, StoppedReport,
    SuspectReport, Suspects, SystemLog, episode,
};
use crate::output;
use crate::utc_time::UtcTime;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
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
    log: SystemLog,
    memory: VecDeque<Arc<Event>>,
    kept: io::Result<KeptEvents>,
    last_kept: bool,
    followers: broadcast::Sender<Arc<Event>>,
}

impl Announcer {
    /// Loads the events that an earlier daemon has kept in the file at `kept`, and keeps new ones there.
    #[must_use]
    pub fn new(log: SystemLog, kept: &Path) -> Self {
        let (followers, _) = broadcast::channel(LAG);
        let mut memory = VecDeque::new();
        let kept = KeptEvents::open(kept).map(|(kept, events)| {
            memory.extend(events.into_iter().map(Arc::new));
            kept
        });
        if let Err(e) = &kept {
            tracing::warn!("cannot keep events for the next daemon: {e}");
        }
        Self {
            episodes: Episodes::default(),
            suspects: Suspects::default(),
            denials: Denials::default(),
            stopped_datagrams: StoppedDatagrams::default(),
            log,
            memory,
            kept,
            last_kept: true,
            followers,
        }
    }

    /// Continues the episodes that an earlier daemon announced. `now` is a time of the kernel part's clock.
    pub fn resume_episodes(&mut self, now: Duration) {
        for event in &self.memory {
            // If the clock was set back meanwhile, the event counts as new.
            let at = now.saturating_sub(UtcTime::now().since(event.time));
            match event.state {
                State::Reached => self.episodes.resume(&event.scope, episode::State::Reached, at),
                State::Cleared => self.episodes.resume(&event.scope, episode::State::Cleared, at),
                State::Suspect => self.suspects.resume(&event.scope, at),
                State::Denied => self.denials.resume(&event.scope, at),
                State::UdpStopped => self.stopped_datagrams.resume(&event.scope, at),
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
        // Fails if nobody follows.
        let _ = self.followers.send(event);
    }

    fn keep(&mut self, event: &Event) {
        let remembered = self.memory.iter().map(AsRef::as_ref);
        let Ok(kept) = &mut self.kept else { return };
        let outcome = kept.keep(event, remembered);
        match (&outcome, self.last_kept) {
            (Err(e), true) => tracing::warn!("cannot keep an event for the next daemon: {e}"),
            (Ok(()), false) => tracing::info!("events are kept for the next daemon again"),
            _ => {}
        }
        self.last_kept = outcome.is_ok();
    }

    /// Whether the next daemon will know the last event.
    #[must_use]
    pub fn is_keeping(&self) -> bool {
        self.kept.is_ok() && self.last_kept
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
