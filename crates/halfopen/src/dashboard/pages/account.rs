//! An account or a scope: who it is, what waits, and what can be done about it.

use super::chart;
use super::events::list;
use super::layout::{Page, account_link, broken, facts, form_token, in_query, runs_in};
use super::overview::standing;
use crate::control::RefusalKind;
use crate::control::status::seconds;
use crate::control::{AccountInspection, AccountName, Answer, AttemptStatus, Inspection, ScopeStatus};
use crate::dashboard::link::LinkError;
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Sent, Visitor};
use crate::events::text::plain;
use crate::utc_time::UtcTime;
use axum::extract::Query;
use axum::response::Redirect;
use halfopen_policy::limits::parse_time;
use maud::{Markup, html};
use serde::Deserialize;
use std::time::Duration;

/// How far back its chart goes.
const HOUR: Duration = Duration::from_hours(1);
/// For how long it can be blocked.
const BLOCKS: [(&str, &str); 4] =
    [("10m", "10 minutes"), ("1h", "an hour"), ("6h", "6 hours"), ("24h", "a day")];

/// The name of an account, as it is shown.
#[derive(Debug, Deserialize)]
pub struct Named {
    name: String,
}

pub async fn account(visitor: Visitor, Query(Named { name }): Query<Named>) -> Result<Markup, Refusal> {
    let inspection = inspect(&visitor, &name).await?;
    let past = visitor.site.past.course(&name, UtcTime::ago(HOUR)).await;
    let title = plain(&name);
    let page = Page {
        title: &title,
        place: "/",
        live: Some(format!("/live?of=account&name={}", in_query(&name))),
        body: html! {
            @for part in parts(&inspection) { (part) }
            (chart::last_hour(&name, &past))
            (forms(&visitor, &name))
            @for account in &inspection.accounts { (lasting(account)) }
        },
    };
    Ok(page.for_(&visitor))
}

/// What is known of it now.
pub async fn inspect(visitor: &Visitor, name: &str) -> Result<Inspection, Refusal> {
    match visitor.answer(Wanted::Inspect(read(name)?)).await? {
        Answer::Inspection(inspection) => Ok(*inspection),
        _ => Err(LinkError::Unreadable.into()),
    }
}

fn read(name: &str) -> Result<AccountName, Refusal> {
    name.parse().map_err(|e| Refusal::Refused(RefusalKind::WrongUse, format!("{name:?}: {e}")))
}

/// What changes while the page is open.
pub fn parts(inspection: &Inspection) -> Vec<Markup> {
    vec![
        html! {
            section #numbers aria-labelledby="numbers-title" {
                h2 id="numbers-title" { "Now" }
                @if let Some(note) = &inspection.note { p.message { (plain(note)) } }
                @for account in &inspection.accounts { (numbers(account)) }
                @if !inspection.accounts_of_scope.is_empty() {
                    h3 { "Its accounts" }
                    ul { @for name in &inspection.accounts_of_scope { li { (account_link(name)) } } }
                }
            }
        },
        html! {
            section #attempts aria-labelledby="attempts-title" {
                h2 id="attempts-title" { "Live attempts" }
                @for account in &inspection.accounts {
                    @if account.attempts.is_empty() { p { "None." } } @else {
                        p { (account.live) " are live. The oldest:" }
                        (attempts(&account.attempts))
                    }
                }
            }
        },
    ]
}

fn attempts(all: &[AttemptStatus]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="The oldest live attempts" {
            table {
                thead {
                    tr {
                        th scope="col" { "To" }
                        th scope="col" { "Program" }
                        th scope="col" { "Is" }
                        th.number scope="col" { "For" }
                        th scope="col" { "Waits for" }
                    }
                }
                tbody {
                    @for attempt in all {
                        tr {
                            th scope="row" { (attempt.destination) @if attempt.named { " (named)" } }
                            td { (plain(&attempt.comm)) ", PID " (attempt.pid) }
                            td { (attempt.state) }
                            td.number { (seconds(attempt.out_for_ms.unwrap_or(attempt.age_ms))) }
                            td { (attempt.waits_for.as_deref().map_or("–".into(), plain)) }
                        }
                    }
                }
            }
        }
    }
}

fn numbers(account: &AccountInspection) -> Markup {
    let ScopeStatus { trust, .. } = &account.status;
    let status = &account.status;
    let mut all = vec![
        ("Waiting now", status.queued.to_string()),
        ("Half-open now", status.half_open.to_string()),
        ("Limit", status.half_open_limit.map_or("unlimited".to_owned(), |limit| limit.to_string())),
        ("Answered", status.established.to_string()),
        ("Failed", status.failed.to_string()),
        ("Let out after a wait", status.released.to_string()),
        ("Gave up waiting", status.gave_up_while_queued.to_string()),
    ];
    all.extend(account.answered_share.map(|share| ("Share answered", format!("{:.0} %", share * 100.0))));
    all.extend(trust.credit.map(|credit| ("Credit for strangers", credit.to_string())));
    all.extend(trust.first_contacts.map(|count| ("First contacts", count.to_string())));
    all.extend(trust.suspect_since.map(|since| ("Suspect since", since.to_string())));
    all.extend(trust.blocked_until.map(|until| ("Blocked until", until.to_string())));
    html! {
        p { "It is: " (standing(status)) (runs_in(&status.runs_in)) }
        (facts(&all))
    }
}

/// What hardly changes.
fn lasting(account: &AccountInspection) -> Markup {
    html! {
        section aria-label="Programs" {
            h2 { "Programs" }
            @if account.programs.is_empty() { p { "None has waited yet." } }
            ul {
                @for program in &account.programs {
                    li {
                        strong { (plain(&program.comm)) } ", PID " (program.pid) ", user " (plain(&program.user))
                        @if !program.is_running { " (has ended)" }
                        (runs_in(&program.runs_in))
                        @if let Some(exe) = &program.exe { br; (broken(&plain(exe))) }
                        @if let Some(line) = &program.command_line { br; code { (plain(line)) } }
                        @if let Some(parent) = &program.parent { br; "started by " (plain(&parent.comm)) ", PID " (parent.pid) }
                    }
                }
            }
            @if account.more_programs > 0 { p { "And " (account.more_programs) " more." } }
        }
        section aria-label="Where to" {
            h2 { "Where to" }
            @if account.ports.is_empty() { p { "Nothing has waited yet." } }
            ul {
                @for port in &account.ports {
                    li {
                        "Port " strong { (port.port) } ": " (port.addresses) " addresses" @if port.and_more { " and more" }
                        ", " (port.waited) " attempts waited, such as to " (port.sample.join(", "))
                    }
                }
            }
        }
        section aria-label="Settings that apply" {
            h2 { "Settings that apply" }
            ul {
                @for rule in &account.rules {
                    li {
                        @let name = setting_name(&rule.rule, &rule.key);
                        a href={ "/settings/" (in_query(&name)) } { (plain(&name)) } " = " (plain(&rule.value)) " (" (plain(&rule.origin)) ")"
                    }
                }
            }
        }
        section aria-label="Its latest events" {
            h2 { "Its latest events" }
            (list(account.events.iter().rev()))
        }
    }
}

fn setting_name(rule: &str, key: &str) -> String {
    if rule == key { key.to_owned() } else { format!("{rule}.{key}") }
}

fn forms(visitor: &Visitor, name: &str) -> Markup {
    html! {
        section aria-labelledby="do-title" {
            h2 id="do-title" { "Do something about it" }
            div.forms {
                form method="post" action="/account/block" {
                    (form_token(visitor))
                    input type="hidden" name="name" value=(name);
                    p { "Blocked, its connect() calls fail at once, and its waiting attempts end. Connections that are established go on." }
                    label for="time" { "For" }
                    " "
                    select #time name="time" {
                        @for (value, words) in BLOCKS { option value=(value) { (words) } }
                    }
                    " "
                    button.danger { "Block" }
                }
                form method="post" action="/account/release" {
                    (form_token(visitor))
                    input type="hidden" name="name" value=(name);
                    p { "Released, it is neither a suspect nor blocked any more." }
                    button { "Release" }
                }
            }
        }
    }
}

/// What the form of a block has.
#[derive(Debug, Deserialize)]
pub struct Block {
    name: String,
    time: String,
}

pub async fn block(Sent(visitor, Block { name, time }): Sent<Block>) -> Result<Redirect, Refusal> {
    let time = parse_time(&time).map_err(|e| Refusal::Refused(RefusalKind::WrongUse, e.to_string()))?;
    visitor.answer(Wanted::Block(read(&name)?, time.as_millis() as u64)).await?;
    Ok(back_to(&name))
}

pub async fn release(Sent(visitor, Named { name }): Sent<Named>) -> Result<Redirect, Refusal> {
    visitor.answer(Wanted::Release(read(&name)?)).await?;
    Ok(back_to(&name))
}

fn back_to(name: &str) -> Redirect {
    Redirect::to(&format!("/account?name={}", in_query(name)))
}
