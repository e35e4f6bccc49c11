//! The overview: what the limit does now, and to whom.

use super::events::list;
use super::layout::{Page, account_link, facts, runs_in, with_code};
use super::{chart, trial};
use crate::control::status::span;
use crate::control::{ScopeKind, ScopeStatus, Status};
use crate::daemon::enforcement::HOST;
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Visitor};
use crate::events::Event;
use crate::utc_time::UtcTime;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::time::Duration;

/// How many accounts and events it shows.
const SHOWN: usize = 12;
/// How far back its chart goes.
const HOUR: Duration = Duration::from_hours(1);

pub async fn overview(visitor: Visitor) -> Result<Markup, Refusal> {
    let status = visitor.status().await?;
    let events = visitor.events(Wanted::Events).await?;
    let past = visitor.site.past.course(HOST, UtcTime::ago(HOUR)).await;
    let page = Page {
        title: "Overview",
        place: "/",
        live: Some("/live?of=overview".to_owned()),
        body: html! {
            (now(&status))
            (chart::last_hour(HOST, &past))
            (accounts(&status))
            (latest(&events))
            (wrong(&status))
            (trial::forms(&visitor, &status))
        },
    };
    Ok(page.for_(&visitor))
}

/// What changes while the page is open. Each part has an id.
pub fn parts(status: &Status, events: &[Event]) -> Vec<Markup> {
    vec![now(status), accounts(status), latest(events), wrong(status)]
}

fn now(status: &Status) -> Markup {
    let host = &status.host;
    let limit = host.half_open_limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let mut all = vec![
        ("Mode", status.mode.to_string()),
        ("Half-open now", host.half_open.to_string()),
        ("Limit of the host", limit),
        ("Waiting now", host.queued.to_string()),
        ("Answered", host.established.to_string()),
        ("Let out after a wait", host.released.to_string()),
        ("Gave up waiting", host.gave_up_while_queued.to_string()),
        ("Preset", status.preset.clone()),
        ("Counting for", span(status.counting_for_s)),
    ];
    if host.would_have_waited > 0 {
        all.insert(4, ("Would have waited", host.would_have_waited.to_string()));
    }
    html! {
        section #now aria-labelledby="now-title" {
            h2 id="now-title" { "Now" }
            (facts(&all))
            @if let Some(trial) = &status.trial {
                p.message { "Enforcing is on trial: mode " (trial.to) " returns in " (span(trial.reverts_in_ms / 1_000)) "." }
            }
        }
    }
}

fn wrong(status: &Status) -> Markup {
    let is_well = status.degraded.is_empty() && status.faults.is_empty();
    html! {
        section #wrong aria-labelledby="wrong-title" {
            h2 id="wrong-title" { "Less than it could be" }
            @if is_well {
                p { "Nothing is." }
            } @else {
                ul {
                    @for found in &status.degraded {
                        li { (with_code(&found.explanation)) ". What to do: " (with_code(found.reason.advice())) "." }
                    }
                    @for fault in &status.faults {
                        li { (with_code(&fault.explanation)) ": " (fault.count) " times." }
                    }
                }
            }
        }
    }
}

fn accounts(status: &Status) -> Markup {
    let mut all: Vec<&ScopeStatus> =
        status.scopes.iter().filter(|scope| scope.kind != ScopeKind::Rule || !scope.is_unused()).collect();
    all.sort_by_key(|scope| Reverse((scope.trust.suspect_since.is_some(), scope.queued, scope.half_open)));
    let more = all.len().saturating_sub(SHOWN) as u64 + status.accounts_unlisted;
    html! {
        section #accounts aria-labelledby="accounts-title" {
            h2 id="accounts-title" { "Accounts" }
            @if all.is_empty() {
                p { "No program has a scope or an account of its own yet." }
            } @else {
                div.wide tabindex="0" role="group" aria-labelledby="accounts-title" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Account" }
                                th.number scope="col" { "Waiting" }
                                th.number scope="col" { "Half-open" }
                                th.number scope="col" { "Answered" }
                                th.number scope="col" { "First contacts" }
                                th scope="col" { "Is" }
                            }
                        }
                        tbody { @for scope in all.iter().take(SHOWN) { (row(scope)) } }
                    }
                }
            }
            @if more > 0 { p { "And " (more) " more." } }
        }
    }
}

fn row(scope: &ScopeStatus) -> Markup {
    html! {
        tr {
            th scope="row" { (account_link(&scope.name)) (runs_in(&scope.runs_in)) }
            td.number { (scope.queued) }
            td.number { (scope.half_open) }
            td.number { (scope.established) }
            td.number { @if let Some(count) = scope.trust.first_contacts { (count) } @else { "–" } }
            td { (standing(scope)) }
        }
    }
}

/// Whether an account is a suspect, blocked, or neither.
pub fn standing(scope: &ScopeStatus) -> Markup {
    html! {
        @if scope.trust.blocked_until.is_some() { span.bad { "blocked" } " " }
        @if scope.trust.suspect_since.is_some() { span.bad { "suspect" } }
        @else if scope.queued > 0 { span.busy { "waiting" } }
        @else if scope.trust.blocked_until.is_none() { "–" }
    }
}

fn latest(events: &[Event]) -> Markup {
    html! {
        section #latest aria-labelledby="latest-title" {
            h2 id="latest-title" { "Latest events" }
            (list(events.iter().rev().take(SHOWN)))
        }
    }
}
