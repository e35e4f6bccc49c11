//! One event, and what to do about it.

use super::events::title;
use super::layout::{Page, account_link, broken, facts, runs_in};
use crate::dashboard::message::{EventKey, Wanted};
use crate::dashboard::visitor::{Refusal, Visitor};
use crate::events::text::plain;
use crate::events::{Event, ProgramRecord};
use axum::extract::Query;
use maud::{Markup, html};

pub async fn event(visitor: Visitor, Query(key): Query<EventKey>) -> Result<Markup, Refusal> {
    let found = visitor.events(Wanted::Event(key)).await?;
    let Some(event) = found.first() else {
        let why = "The daemon does not remember such an event. `halfopen events --since 7d` has those of the history.";
        return Err(Refusal::NotFound(why.to_owned()));
    };
    let name = format!("Event {}: {}", event.id, title(event));
    let page = Page { title: &name, place: "/events", live: None, body: body(event) };
    Ok(page.for_(&visitor))
}

fn body(event: &Event) -> Markup {
    let mut all = vec![
        ("When", event.time.to_string()),
        ("Waiting then", event.queued.to_string()),
        ("Limit", event.limit.map_or("unlimited".to_owned(), |limit| limit.to_string())),
    ];
    if let Some(reason) = event.reason {
        all.push(("Reason", reason.name().to_owned()));
    }
    if let Some(suspect) = &event.suspect {
        all.push(("First contacts let out", suspect.first_contacts.to_string()));
    }
    html! {
        p.message { (plain(&event.to_string())) }
        (facts(&all))
        @if !event.programs.is_empty() {
            section aria-labelledby="programs-title" {
                h2 id="programs-title" { "Programs" }
                (programs(&event.programs))
            }
        }
        section aria-labelledby="next-title" {
            h2 id="next-title" { "What next" }
            ul {
                li {
                    "Who is it, and where did it connect to? These show it, and can block or release it: "
                    @for (at, name) in accounts(event).into_iter().enumerate() { @if at > 0 { ", " } (account_link(name)) }
                }
                @if event.limit.is_some() {
                    li { "Is it a program that you trust? Then " a href="/settings/host.half_open" { "raise the limit a little" } ", and see whether the event comes back." }
                }
                li { "The event has a manual page: man halfopen-event-" (event.id) }
            }
        }
    }
}

/// The accounts of its programs, or else what it is about.
fn accounts(event: &Event) -> Vec<&str> {
    let mut all: Vec<&str> = event.programs.iter().filter_map(|program| program.account.as_deref()).collect();
    all.dedup();
    if all.is_empty() { vec![&event.scope] } else { all }
}

fn programs(all: &[ProgramRecord]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="Programs of this event" {
            table {
                thead {
                    tr {
                        th scope="col" { "Program" }
                        th.number scope="col" { "PID" }
                        th scope="col" { "User" }
                        th scope="col" { "Account" }
                        th.number scope="col" { "Attempts" }
                        th scope="col" { "To, for example" }
                    }
                }
                tbody {
                    @for program in all {
                        tr {
                            th scope="row" {
                                (plain(&program.comm))
                                @if let Some(exe) = &program.exe { br; small { (broken(&plain(exe))) } }
                            }
                            td.number { (program.pid) }
                            td { (plain(&program.user)) }
                            td {
                                @if let Some(account) = &program.account { (account_link(account)) }
                                @else if let Some(cgroup) = &program.cgroup { (broken(&plain(cgroup))) }
                                (runs_in(&program.runs_in))
                            }
                            td.number { (program.attempts) }
                            td { (program.sample.join(", ")) }
                        }
                    }
                }
            }
        }
    }
}
