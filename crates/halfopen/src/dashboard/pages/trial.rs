//! The mode: enforcing on trial, for good, or not at all.

use super::layout::form_token;
use crate::control::{ModeStatus, RefusalKind, Status, TrialOrder};
use crate::dashboard::message::Wanted;
use crate::dashboard::visitor::{Refusal, Sent, Visitor};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use std::time::Duration;

/// How long a trial lasts that begins here.
const TRIAL: Duration = Duration::from_mins(10);

/// The forms that the mode allows.
pub fn forms(visitor: &Visitor, status: &Status) -> Markup {
    let orders: &[(&str, &str)] = match (&status.trial, status.mode) {
        (Some(_), _) => &[("confirm", "Keep enforcing"), ("cancel", "End the trial now")],
        (None, ModeStatus::Enforce) => &[],
        (None, ModeStatus::Audit | ModeStatus::Off) => &[("begin", "Enforce for 10 minutes")],
    };
    html! {
        section aria-labelledby="mode-title" {
            h2 id="mode-title" { "Mode" }
            p {
                "Mode " strong { (status.mode) } ". "
                a href="/settings/mode" { "Change it" } ", or see what each mode does."
            }
            @if !orders.is_empty() {
                div.forms {
                    @for (order, words) in orders {
                        form method="post" action="/enforce" {
                            (form_token(visitor))
                            input type="hidden" name="order" value=(order);
                            button { (words) }
                        }
                    }
                }
            }
        }
    }
}

/// What the form has.
#[derive(Debug, Deserialize)]
pub struct Order {
    order: String,
}

pub async fn enforce(Sent(visitor, Order { order }): Sent<Order>) -> Result<Redirect, Refusal> {
    let order = match order.as_str() {
        "begin" => TrialOrder::Begin(TRIAL.as_millis() as u64),
        "confirm" => TrialOrder::Confirm,
        "cancel" => TrialOrder::Cancel,
        _ => return Err(Refusal::Refused(RefusalKind::WrongUse, format!("there is no order {order:?}"))),
    };
    visitor.answer(Wanted::Enforce(order)).await?;
    Ok(Redirect::to("/"))
}
