//! How it went: charts of a scope or an account.

use super::chart;
use super::layout::{Page, account_link};
use crate::daemon::enforcement::HOST;
use crate::dashboard::visitor::{Refusal, Visitor};
use crate::events::text::plain;
use crate::utc_time::UtcTime;
use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;
use std::time::Duration;

/// How far it can look back: as the address has it, for people, and in hours.
const SPANS: [(&str, &str, u64); 3] = [("1h", "an hour", 1), ("1d", "a day", 24), ("7d", "a week", 7 * 24)];

/// What is asked for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    account: Option<String>,
    since: Option<String>,
}

pub async fn history(visitor: Visitor, Query(asked): Query<Asked>) -> Result<Markup, Refusal> {
    // The history itself does not ask who is logged in.
    let status = visitor.status().await?;
    let account = asked.account.filter(|name| !name.is_empty()).unwrap_or(HOST.to_owned());
    let known = SPANS.iter().find(|(name, ..)| asked.since.as_deref() == Some(*name));
    let (since, words, hours) = known.copied().unwrap_or(SPANS[1]);
    let since_when = UtcTime::ago(Duration::from_hours(hours));
    let past = visitor.site.past.course(&account, since_when).await;
    let names: Vec<&str> =
        std::iter::once(HOST).chain(status.scopes.iter().map(|scope| scope.name.as_str())).collect();
    let page = Page {
        title: "History",
        place: "/history",
        live: None,
        body: html! {
            form method="get" action="/history" {
                p {
                    label for="account" { "Account" } " "
                    input #account name="account" value=(account) list="accounts" size="40";
                    datalist #accounts { @for name in names { option value=(name) {} } }
                    " "
                    label for="since" { "since" } " "
                    select #since name="since" {
                        @for (name, words, _) in SPANS { option value=(name) selected[name == since] { (words) } }
                    }
                    " "
                    button { "Show" }
                }
            }
            section aria-labelledby="course-title" {
                h2 id="course-title" { (plain(&account)) ", " (words) }
                (chart::shown(&past))
            }
            p { "What is known of it now: " (account_link(&account)) }
        },
    };
    Ok(page.for_(&visitor))
}
