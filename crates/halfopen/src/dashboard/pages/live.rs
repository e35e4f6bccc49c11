//! The parts of a page that is open, again and again.

use super::{account, events, overview};
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Lasting, Refusal, Visitor};
use axum::Extension;
use axum::extract::Query;
use axum::response::sse;
use futures_util::Stream;
use maud::Markup;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

/// How often the parts are made.
const EVERY: Duration = Duration::from_secs(2);

/// Of which page.
#[derive(Debug, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Of {
    /// The overview.
    Overview,
    /// The list of events.
    Events,
    /// That of an account.
    Account {
        /// Its name.
        name: String,
    },
}

pub async fn live(
    visitor: Visitor,
    Query(of): Query<Of>,
    Extension(lasting): Extension<Lasting>,
) -> Result<sse::Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Refusal> {
    let too_many = Refusal::TooMany(
        "As many pages as possible follow what happens already. Load this one again to see more.",
    );
    let permit = Arc::clone(&visitor.site.followers).try_acquire_owned().map_err(|_| too_many)?;
    let first = parts(&visitor, &of).await?;
    lasting.set();
    let following = Following { visitor, of, shown: Vec::new(), next: Some(first), _permit: permit };
    Ok(sse::Sse::new(futures_util::stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    })))
}

struct Following {
    visitor: Visitor,
    of: Of,
    shown: Vec<String>,
    next: Option<Vec<String>>,
    _permit: OwnedSemaphorePermit,
}

impl Following {
    /// `None` when the session has ended, or nobody answers: the client asks again.
    async fn next(&mut self) -> Option<sse::Event> {
        let parts = if let Some(parts) = self.next.take() {
            parts
        } else {
            sleep(EVERY).await;
            parts(&self.visitor, &self.of).await.ok()?
        };
        if parts == self.shown {
            // Also tells whether the client is still there.
            return Some(sse::Event::default().comment(""));
        }
        let event = sse::Event::default().event("parts").data(serde_json::to_string(&parts).ok()?);
        self.shown = parts;
        Some(event)
    }
}

async fn parts(visitor: &Visitor, of: &Of) -> Result<Vec<String>, Refusal> {
    let parts = match of {
        Of::Overview => overview::parts(&*visitor.status().await?, &visitor.events(Wanted::Events).await?),
        Of::Events => events::parts(&visitor.events(Wanted::Events).await?),
        Of::Account { name } => account::parts(&account::inspect(visitor, name).await?),
    };
    Ok(parts.into_iter().map(Markup::into_string).collect())
}
