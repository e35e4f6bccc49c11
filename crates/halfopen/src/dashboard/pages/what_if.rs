//! What another value would have done in the last hour, as far as the history can tell.

use super::layout::facts;
use crate::config::general::MODE;
use crate::config::limits::HALF_OPEN;
use crate::config::{Name, RuleName};
use crate::control::SettingShown;
use crate::daemon::enforcement::HOST;
use crate::dashboard::past::{Nothing, Past};
use crate::events::text::plain;
use crate::tuning::{LimitTried, Tuning};
use crate::utc_time::UtcTime;
use maud::{Markup, html};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// What `value` would have done instead of what is in force.
pub async fn what_if(past: &Past, name: &Name, now: &SettingShown, value: &str) -> Markup {
    let told = if name.key == HALF_OPEN {
        of_half_open(past, name, &now.value, value).await
    } else if name.key == MODE {
        of_mode(past).await
    } else {
        of_others(past, name).await
    };
    html! {
        h3 { "The last hour" }
        @match told {
            Ok(told) => (told),
            Err(why) => p { "Nobody knows what it would have done: " (plain(&why)) "." },
        }
    }
}

fn scope(name: &Name) -> &str {
    name.rule.as_ref().map_or(HOST, RuleName::leaf)
}

async fn of_half_open(past: &Past, name: &Name, now: &str, value: &str) -> Result<Markup, Nothing> {
    let mut both = Vec::new();
    for value in [now, value] {
        // Unlimited, it delays nobody.
        let limit = value.parse().unwrap_or(u32::MAX);
        let tuning = past.tuning(scope(name), UtcTime::ago(HOUR), Some(limit)).await?;
        both.push((value, tuning));
    }
    let suspects = both.first().map_or(0, |(_, tuning)| tuning.suspect_rows);
    Ok(html! {
        div.wide tabindex="0" role="group" aria-label="What both values would have done" {
            table {
                thead {
                    tr {
                        th scope="col" { "half_open" }
                        th.number scope="col" { "Answered attempts delayed, at most" }
                        th.number scope="col" { "Others held, at most" }
                        th.number scope="col" { "Minutes with more at once" }
                    }
                }
                tbody {
                    @for (value, tuning) in &both {
                        @if let Some(tried) = &tuning.tried { (row(value, tuning, tried)) }
                    }
                }
            }
        }
        p { "Bounds from what was wanted at once in each minute: it may have been less, not more. Other limits hold besides." }
        @if suspects > 0 { p { "Left out: " (suspects) " minutes of suspects." } }
    })
}

fn row(value: &str, tuning: &Tuning, tried: &LimitTried) -> Markup {
    html! {
        tr {
            th scope="row" { (plain(value)) }
            td.number { (tried.delayed_at_most) " of " (tuning.answered) }
            td.number { (tried.unanswered_held_at_most) }
            td.number { (tried.minutes_over) }
        }
    }
}

async fn of_mode(past: &Past) -> Result<Markup, Nothing> {
    let sums = past.course(HOST, UtcTime::ago(HOUR)).await?.sums;
    Ok(html! {
        p {
            "Of " (sums.begun) " attempts, " (sums.would_have_waited) " went out at once that enforcing would have held, and "
            (sums.released) " were let out after a wait. In audit and off, none waits."
        }
    })
}

async fn of_others(past: &Past, name: &Name) -> Result<Markup, Nothing> {
    let tuning = past.tuning(scope(name), UtcTime::ago(HOUR), None).await?;
    Ok(html! {
        p {
            "The history does not tell what another value of " (name.key.name) " would have done. With the values in force, this \
             came of the attempts:"
        }
        (facts(&[
            ("Attempts", tuning.begun.to_string()),
            ("Answered", tuning.answered.to_string()),
            ("Gave up waiting", tuning.gave_up.to_string()),
        ]))
    })
}
