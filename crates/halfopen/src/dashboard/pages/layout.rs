//! What all pages have around them.

use crate::dashboard::visitor::Visitor;
use crate::events::text::plain;
use crate::runs_in::RunsIn;
use maud::{DOCTYPE, Markup, html};
use std::fmt::Write;

/// The places that every page leads to.
const PLACES: [(&str, &str); 4] =
    [("/", "Overview"), ("/events", "Events"), ("/settings", "Settings"), ("/history", "History")];

/// A page.
pub struct Page<'a> {
    /// Its title.
    pub title: &'a str,
    /// Which of the places it belongs to.
    pub place: &'static str,
    /// From where its parts come anew while it is open.
    pub live: Option<String>,
    /// What is in it.
    pub body: Markup,
}

impl Page<'_> {
    /// The page for somebody who is logged in.
    pub fn for_(self, visitor: &Visitor) -> Markup {
        let head = html! {
            nav aria-label="Pages" {
                @for (path, name) in PLACES {
                    a href=(path) aria-current=[(path == self.place).then_some("page")] { (name) }
                }
            }
            form method="post" action="/logout" {
                (form_token(visitor))
                button.plain { "Log out" }
            }
        };
        let body = html! {
            h1 { (self.title) }
            (self.body)
        };
        document(self.title, &visitor.site.host, &head, &body, self.live.as_deref())
    }
}

/// A page that says one thing, for anybody, also for those who are not to know which host this is.
pub fn message(title: &str, text: &str) -> Markup {
    let body = html! {
        h1 { (title) }
        p.message { (with_code(text)) }
        p { a href="/" { "To the overview" } }
    };
    document(title, "", &html! {}, &body, None)
}

pub(super) fn document(title: &str, host: &str, head: &Markup, body: &Markup, live: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – halfopen" @if !host.is_empty() { " on " (host) } }
                link rel="stylesheet" href="/style.css";
                @if live.is_some() {
                    script src="/live.js" defer {}
                }
            }
            body data-live=[live] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.name href="/" { "halfopen" @if !host.is_empty() { " on " (host) } }
                    (head)
                }
                main #main tabindex="-1" { (body) }
                footer {
                    @if live.is_some() {
                        p #live role="status" { "As of the moment at which this page was loaded." }
                    }
                    p { "halfopen " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }
}

/// The field that every form has.
pub fn form_token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="form" value=(visitor.form_token()); }
}

/// A link to the page of an account or a scope.
pub fn account_link(name: &str) -> Markup {
    html! { a href={ "/account?name=" (in_query(name)) } { (broken(&plain(name))) } }
}

/// What somebody's cgroup belongs to, in the operator's own words, where that is known.
pub fn runs_in(found: &RunsIn) -> Markup {
    html! { @if let Some(named) = found.named() { br; small { (plain(&named)) } } }
}

/// A long name with places where a line may break.
pub fn broken(name: &str) -> Markup {
    html! {
        @for (at, part) in name.split('/').enumerate() {
            @if at > 0 { "/" wbr; }
            (part)
        }
    }
}

/// A text in which backticks are around what is typed.
pub fn with_code(text: &str) -> Markup {
    html! {
        @for (at, part) in plain(text).split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Text for the value of a parameter in a URL.
pub fn in_query(text: &str) -> String {
    let mut all = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(all, "%{byte:02X}");
        }
    }
    all
}

/// A list of facts: what, and its value.
pub fn facts(all: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (what, value) in all {
                div { dt { (what) } dd { (value) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_choose_stays_text() {
        let name = "adaptive[/a\"><script>alert(1)</script>\u{1b}]";
        let link = account_link(name).into_string();
        assert!(!link.contains("<script") && !link.contains('\u{1b}'), "{link}");
        assert!(link.starts_with("<a href=\"/account?name=adaptive%5B%2Fa%22%3E%3Cscript"), "{link}");
    }
}
