//! A course as a picture, and as a table for those who do not see it.

use super::layout::{facts, in_query};
use crate::control::status::seconds;
use crate::dashboard::past::{Course, Nothing};
use crate::events::text::plain;
use crate::utc_time::UtcTime;
use maud::{Markup, html};
use std::fmt::Write;
use std::time::Duration;

/// The size of the drawing, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 140;

/// The section with the last hour of a scope or an account.
pub fn last_hour(account: &str, past: &Result<Course, Nothing>) -> Markup {
    html! {
        section aria-labelledby="hour-title" {
            h2 id="hour-title" { "The last hour" }
            (shown(past))
            p { a href={ "/history?account=" (in_query(account)) } { "More of the history" } }
        }
    }
}

/// The charts of a course, or why there is none.
pub fn shown(past: &Result<Course, Nothing>) -> Markup {
    match past {
        Ok(course) => charts(course),
        Err(why) => html! { p { "There is no chart: " (plain(why)) "." } },
    }
}

fn charts(course: &Course) -> Markup {
    let sums = &course.sums;
    let mut all = vec![
        ("Attempts", sums.begun.to_string()),
        ("Answered", sums.established.to_string()),
        ("Let out after a wait", sums.released.to_string()),
        ("Gave up waiting", sums.gave_up.to_string()),
    ];
    all.extend(sums.wait_p99_ms.map(|ms| ("99 of 100 waits within", seconds(ms))));
    html! {
        div.charts {
            (chart("Waiting at once", "waiting", course, &course.waiting, None))
            (chart("Half-open at once", "half-open", course, &course.half_open, course.limit))
        }
        (facts(&all))
        details {
            summary { "The same as a table" }
            div.wide tabindex="0" role="group" aria-label="The course as a table" {
                table {
                    thead {
                        tr {
                            th scope="col" { "From (UTC)" }
                            th.number scope="col" { "Most waiting" }
                            th.number scope="col" { "Most half-open" }
                        }
                    }
                    tbody {
                        @for (at, (waiting, half_open)) in course.waiting.iter().zip(&course.half_open).enumerate() {
                            tr {
                                th scope="row" { (clock(course, at)) }
                                td.number { (number(*waiting)) }
                                td.number { (number(*half_open)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn number(value: Option<u64>) -> String {
    value.map_or("–".to_owned(), |value| value.to_string())
}

/// When a place of the course begins.
fn clock(course: &Course, at: usize) -> String {
    let minute = course.first + at as u64 * course.each;
    let text = UtcTime::EPOCH.after(Duration::from_secs(minute * 60)).to_string();
    text.get(5..16).unwrap_or_default().replace('T', " ")
}

fn chart(title: &str, class: &str, course: &Course, values: &[Option<u64>], limit: Option<u32>) -> Markup {
    let most = values.iter().flatten().copied().max().unwrap_or_default();
    // The limit is drawn only where it is in sight.
    let limit = limit.map(u64::from).filter(|limit| *limit <= most.max(1) * 4);
    let top = most.max(limit.unwrap_or_default()).max(1);
    let height = |value: u64| HEIGHT - value * HEIGHT / top;
    let (from, to) = (clock(course, 0), clock(course, values.len()));
    let id = format!("chart-{class}");
    html! {
        figure {
            figcaption id=(id) { (title) ": at most " (most) @if let Some(limit) = limit { ", limit " (limit) } }
            svg class={ "chart " (class) } viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-labelledby=(id) {
                path class="area" d=(area(values, height)) {}
                @if let Some(limit) = limit {
                    line class="limit" x1="0" x2=(WIDTH) y1=(height(limit)) y2=(height(limit)) {}
                }
            }
            p.axis aria-hidden="true" { span { (from) } span { (to) } }
        }
    }
}

/// A step for each value, with nothing where nothing is known.
fn area(values: &[Option<u64>], height: impl Fn(u64) -> u64) -> String {
    let mut path = String::new();
    let x = |at: usize| at as u64 * WIDTH / values.len().max(1) as u64;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| *value > 0) else { continue };
        // Writing to a String cannot fail.
        let _ = write!(path, "M{} {HEIGHT}V{}H{}V{HEIGHT}Z", x(at), height(value).min(HEIGHT - 2), x(at + 1));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_a_step_and_small_ones_are_seen() {
        let path = area(&[Some(0), Some(1_000), None, Some(1)], |value| HEIGHT - value * HEIGHT / 1_000);
        assert_eq!(path, "M180 140V0H360V140ZM540 140V138H720V140Z");
    }
}
