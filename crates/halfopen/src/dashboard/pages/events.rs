//! The list of events.

use super::layout::{Page, account_link, in_query};
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Visitor};
use crate::events::{Event, State};
use maud::{Markup, html};

pub async fn events(visitor: Visitor) -> Result<Markup, Refusal> {
    let events = visitor.events(Wanted::Events).await?;
    let page = Page {
        title: "Events",
        place: "/events",
        live: Some("/live?of=events".to_owned()),
        body: html! { @for part in parts(&events) { (part) } },
    };
    Ok(page.for_(&visitor))
}

/// What changes while the page is open.
pub fn parts(events: &[Event]) -> Vec<Markup> {
    vec![html! {
        section #events aria-label="Events, the latest first" { (list(events.iter().rev())) }
    }]
}

/// Events, in the order in which they come.
pub fn list<'a>(events: impl Iterator<Item = &'a Event>) -> Markup {
    let events: Vec<&Event> = events.collect();
    html! {
        @if events.is_empty() {
            p { "There was none yet." }
        } @else {
            ul.events {
                @for event in events {
                    li {
                        a href=(path(event)) { time { (event.time) } " " (event.id) }
                        " " (title(event)) ": " (account_link(&event.scope))
                    }
                }
            }
        }
    }
}

/// Where an event has its page.
pub fn path(event: &Event) -> String {
    let time = event.time.to_string();
    format!("/event?time={}&id={}&scope={}", in_query(&time), event.id, in_query(&event.scope))
}

/// What an event says, in a few words.
pub fn title(event: &Event) -> &'static str {
    match event.state {
        State::Reached if event.audited => "attempts would wait",
        State::Reached => "attempts wait",
        State::Cleared => "nobody waits any more",
        State::Suspect => "first contacts mostly fail",
        State::Denied => "a deny rule has matched",
        State::UdpStopped => "first contacts over UDP stopped",
        State::ConnectionLimit => "connections are held back",
    }
}
