//! The list of settings.

use super::layout::{Page, broken, in_query};
use crate::control::{Answer, SettingShown};
use crate::dashboard::link::LinkError;
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Visitor};
use crate::events::text::plain;
use maud::{Markup, html};

pub async fn settings(visitor: Visitor) -> Result<Markup, Refusal> {
    let all = all(&visitor).await?;
    let mut groups: Vec<(&str, Vec<&SettingShown>)> = Vec::new();
    for setting in &all {
        let of = setting.name.rsplit_once('.').map_or("", |(of, _)| of);
        match groups.iter_mut().find(|(name, _)| *name == of) {
            Some((_, group)) => group.push(setting),
            None => groups.push((of, vec![setting])),
        }
    }
    let page = Page {
        title: "Settings",
        place: "/settings",
        live: None,
        body: html! {
            p { "Each setting with the value in force, and where that comes from. Open one to read what it does, and what \
                 another value would have done." }
            nav aria-label="Tables of settings" {
                @for (of, _) in &groups { a href={ "#" (id(of)) } { (heading(of)) } " " }
            }
            @for (of, group) in &groups {
                section aria-labelledby=(id(of)) {
                    h2 id=(id(of)) { (heading(of)) }
                    div.wide tabindex="0" role="group" aria-labelledby=(id(of)) {
                        table {
                            thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
                            tbody { @for setting in group { (row(setting)) } }
                        }
                    }
                }
            }
        },
    };
    Ok(page.for_(&visitor))
}

/// All settings in force.
pub async fn all(visitor: &Visitor) -> Result<Vec<SettingShown>, Refusal> {
    match visitor.answer(Wanted::Settings).await? {
        Answer::Settings { settings } => Ok(settings),
        _ => Err(LinkError::Unreadable.into()),
    }
}

fn row(setting: &SettingShown) -> Markup {
    let leaf = setting.name.rsplit_once('.').map_or(setting.name.as_str(), |(_, leaf)| leaf);
    html! {
        tr {
            th scope="row" { a href={ "/settings/" (in_query(&setting.name)) } { (plain(leaf)) } }
            td { (broken(&plain(&setting.value))) }
            td { (broken(&plain(&setting.origin))) }
        }
    }
}

fn heading(of: &str) -> String {
    if of.is_empty() { "Whole host".to_owned() } else { plain(of) }
}

fn id(of: &str) -> String {
    let safe: String = of.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("of-{safe}")
}
