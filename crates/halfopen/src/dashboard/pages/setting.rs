//! One setting: what it does, what it is, what another value would have done, and the change itself.

use super::layout::{Page, facts, form_token, in_query};
use super::settings::all;
use super::what_if::what_if;
use crate::config::general::MODE;
use crate::config::{Name, Table, read_name, read_said};
use crate::control::{RefusalKind, SettingShown};
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Sent, Visitor};
use crate::events::text::plain;
use axum::extract::{Path, Query};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

/// What is asked besides the name.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Another value, to see what it would have done.
    value: Option<String>,
    /// The value before a change that has just been made.
    was: Option<String>,
}

pub async fn setting(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let all = all(&visitor).await?;
    let name = read(&name)?;
    let shown = name.to_string();
    let not_given =
        SettingShown { name: shown.clone(), value: String::new(), origin: "not given".to_owned() };
    let now = all.into_iter().find(|setting| setting.name == shown).unwrap_or(not_given);
    let proposed = asked.value.as_deref().map(str::trim).filter(|value| !value.is_empty());
    let preview = match proposed {
        Some(value) if may_change(&name) => preview(&visitor, &name, &now, value).await,
        _ => html! {},
    };
    let page = Page {
        title: &plain(&shown),
        place: "/settings",
        live: None,
        body: html! {
            @if let Some(was) = &asked.was {
                p.message role="status" { "Changed: it was " (plain(was)) " and is " (plain(&now.value)) " now." }
            }
            @for paragraph in name.key.doc().lines() {
                @if paragraph.starts_with("    ") { pre { (paragraph.trim()) } } @else { p { (paragraph) } }
            }
            (facts(&[
                ("Value in force", now.value.clone()),
                ("From", now.origin.clone()),
                ("Takes", name.key.form.accepted()),
            ]))
            (form(&name, &now, proposed))
            (preview)
        },
    };
    Ok(page.for_(&visitor))
}

fn read(name: &str) -> Result<Name, Refusal> {
    read_name(name).map_err(|e| Refusal::NotFound(e.to_string()))
}

/// The daemon takes changes of limits and of the mode from here, and of nothing else.
fn may_change(name: &Name) -> bool {
    name.key.table == Table::Host || name.key == MODE
}

fn form(name: &Name, now: &SettingShown, proposed: Option<&str>) -> Markup {
    if !may_change(name) {
        return html! {
            p { "It cannot be changed here. As root on this host: " code { "halfopen set --save " (name) " VALUE" } }
        };
    }
    let value = proposed.unwrap_or(&now.value);
    let choices = name.key.form.choices();
    let is_a_word = choices.contains(&now.value.as_str()) && read_said(name, "1").is_err();
    html! {
        section aria-labelledby="try-title" {
            h2 id="try-title" { "Try another value" }
            form method="get" action={ "/settings/" (in_query(&name.to_string())) } {
                label for="value" { "Value" } " "
                @if is_a_word {
                    select #value name="value" {
                        @for choice in choices { option value=(choice) selected[choice == value] { (choice) } }
                    }
                } @else {
                    input #value name="value" value=(value) required autocomplete="off" spellcheck="false";
                }
                " "
                button { "What would it have done?" }
            }
        }
    }
}

async fn preview(visitor: &Visitor, name: &Name, now: &SettingShown, value: &str) -> Markup {
    let wrong = match read_said(name, value) {
        Ok(said) if said.show() == now.value => Some("That is the value in force.".to_owned()),
        Ok(_) => None,
        Err(e) => Some(e.to_string()),
    };
    if let Some(wrong) = wrong {
        return html! { p.message role="status" { (plain(&wrong)) } };
    }
    let would = what_if(&visitor.site.past, name, now, value).await;
    html! {
        section aria-labelledby="preview-title" {
            h2 id="preview-title" { (name) " = " (plain(value)) " instead of " (plain(&now.value)) }
            (would)
            form method="post" action={ "/settings/" (in_query(&name.to_string())) } {
                (form_token(visitor))
                input type="hidden" name="value" value=(value);
                input type="hidden" name="was" value=(now.value);
                p {
                    "It counts at once, until the daemon reads its files again. To keep it, run as root: "
                    code { "halfopen set --save " (name) " " (plain(value)) }
                }
                button.danger { "Set " (name) " to " (plain(value)) }
            }
        }
    }
}

/// What the form has.
#[derive(Debug, Deserialize)]
pub struct Change {
    value: String,
    was: String,
}

pub async fn change(
    Path(name): Path<String>,
    Sent(visitor, Change { value, was }): Sent<Change>,
) -> Result<Redirect, Refusal> {
    let name = read(&name)?;
    if !may_change(&name) {
        return Err(Refusal::Refused(RefusalKind::WrongUse, format!("{name} cannot be changed here")));
    }
    let name = name.to_string();
    visitor.answer(Wanted::Set { name: name.clone(), value, was: was.clone() }).await?;
    Ok(Redirect::to(&format!("/settings/{}?was={}", in_query(&name), in_query(&was))))
}
