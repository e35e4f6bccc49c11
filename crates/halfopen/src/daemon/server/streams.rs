//! Answers that last as long as their connection, as server-sent events.

use super::{Call, Reply};
use crate::control::Answer;
use crate::events::Event;
use crate::utc_time::UtcTime;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use std::convert::Infallible;
use std::fmt;
use std::future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot};

/// How often a comment is sent where nothing else is: a client that is gone is noticed by then.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Events of the past that are later than the client's last one, and those to come.
pub(super) fn events(
    not_kept: u64,
    past: Vec<Arc<Event>>,
    to_come: broadcast::Receiver<Arc<Event>>,
    after: Option<EventId>,
    lasts: Option<OwnedSemaphorePermit>,
) -> Response {
    let lost = (not_kept > 0).then_some(Answer::NotKept(not_kept));
    let past = past.into_iter().map(|event| Answer::Event(Box::new(Event::clone(&event))));
    let to_come = stream::unfold((to_come, lasts), |(mut events, lasts)| async {
        let answer = match events.recv().await {
            Ok(event) => Answer::Event(Box::new(Event::clone(&event))),
            Err(broadcast::error::RecvError::Lagged(missed)) => Answer::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        Some((answer, (events, lasts)))
    });
    let mut latest = None;
    let numbered = stream::iter(lost.into_iter().chain(past)).chain(to_come).map(move |answer| {
        if let Answer::Event(event) = &answer {
            latest = Some(EventId::following(latest, event.time));
        }
        let id = latest.filter(|_| matches!(answer, Answer::Event(_)));
        (answer, id)
    });
    let is_new = move |(_, id): &(Answer, Option<EventId>)| future::ready(id.is_none() || *id > after);
    response(numbered.filter(is_new))
}

/// A scope that ends with the connection.
pub(super) fn scope(
    made: &Answer,
    name: String,
    calls: mpsc::Sender<Call>,
    lasts: Option<OwnedSemaphorePermit>,
) -> Response {
    // What the stream holds is dropped with the connection.
    let (held, gone) = oneshot::channel::<Infallible>();
    tokio::spawn(async move {
        let _ = gone.await;
        let (reply, ended) = oneshot::channel::<Reply>();
        let _ = calls.send(Call::EndScope { name, reply }).await;
        let _ = ended.await;
        drop(lasts);
    });
    let stays = stream::once(async move {
        let _held = held;
        future::pending::<(Answer, Option<EventId>)>().await
    });
    response(stream::iter([(made.clone(), None)]).chain(stays))
}

/// An event, for clients that ask for those after the last one that they got: its time, and how many before it have the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventId {
    pub time: UtcTime,
    number: u32,
}

impl EventId {
    fn following(last: Option<Self>, time: UtcTime) -> Self {
        let number = last.filter(|last| last.time == time).map_or(0, |last| last.number + 1);
        Self { time, number }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.time, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, number) = text.split_once('/').ok_or(())?;
        Ok(Self { time: time.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

fn response(answers: impl Stream<Item = (Answer, Option<EventId>)> + Send + 'static) -> Response {
    let sent = answers.map(|(answer, id)| {
        // Texts and numbers can be written.
        let (name, body) = answer.written().unwrap_or_default();
        let sent = Sent::default().event(name).data(body.to_string());
        Ok::<_, Infallible>(match id {
            Some(id) => sent.id(id.to_string()),
            None => sent,
        })
    });
    Sse::new(sent).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_read_as_they_are_written() {
        let later = UtcTime::EPOCH.after(Duration::from_millis(1));
        let mut last = None;
        let ids: Vec<EventId> = [UtcTime::EPOCH, UtcTime::EPOCH, later]
            .into_iter()
            .map(|time| *last.insert(EventId::following(last, time)))
            .collect();
        assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
        assert_eq!(ids[1].to_string(), "1970-01-01T00:00:00.000Z/1");
        assert!(ids.iter().all(|id| id.to_string().parse() == Ok(*id)));
        assert!("yesterday/1".parse::<EventId>().is_err());
    }
}
