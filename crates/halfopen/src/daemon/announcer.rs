//! Carries events to where they are read: stderr, the system log, memory, and those who follow.

use crate::events::{Episodes, Event, Report, SystemLog};
use crate::output;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Events kept for `halfopen events`.
const REMEMBERED: usize = 1_000;
/// Events that a follower may lag behind until it misses some.
const LAG: usize = 256;

/// The episodes of all scopes and the ways out for their events.
#[derive(Debug)]
pub struct Announcer {
    /// What is going on in each scope.
    pub episodes: Episodes,
    log: SystemLog,
    memory: VecDeque<Arc<Event>>,
    followers: broadcast::Sender<Arc<Event>>,
}

impl Announcer {
    /// With nothing to tell yet.
    #[must_use]
    pub fn new(log: SystemLog) -> Self {
        let (followers, _) = broadcast::channel(LAG);
        Self { episodes: Episodes::default(), log, memory: VecDeque::new(), followers }
    }

    /// Writes the event for `report`, in a scope with this `limit` and `queued` attempts.
    pub fn announce(&mut self, report: Report, limit: Option<u32>, queued: u64) {
        let event = Arc::new(Event::new(report, Timestamp::now(), limit, queued));
        output::error_line(&event.to_string());
        self.log.write(&event);
        if self.memory.len() == REMEMBERED {
            self.memory.pop_front();
        }
        self.memory.push_back(Arc::clone(&event));
        // Fails where nobody follows.
        let _ = self.followers.send(event);
    }

    /// The events in memory that are not older than `since`.
    #[must_use]
    pub fn remembered(&self, since: Option<&str>) -> Vec<Arc<Event>> {
        let young = |event: &&Arc<Event>| since.is_none_or(|since| event.time.as_str() >= since);
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
