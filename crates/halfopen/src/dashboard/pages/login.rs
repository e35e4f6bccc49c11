//! Logging in and out.

use super::layout::{document, message};
use crate::dashboard::link::LinkError;
use crate::dashboard::message::{Asked, Told};
use crate::dashboard::server::Site;
use crate::dashboard::sessions::SESSION_LASTS;
use crate::dashboard::visitor::{Refusal, Sent, Visitor};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long a wrong try waits for its answer.
const AFTER_WRONG: Duration = Duration::from_secs(1);

/// Shows the form. Only sending it spends the token: programs that look at links ahead do not.
pub async fn ask(Path(token): Path<String>) -> Markup {
    let body = html! {
        h1 { "Log in" }
        p { "This address logs this browser in to the dashboard of halfopen, once. Whoever is logged in sees what every \
             program of this host connects to, and can change its limits." }
        form method="post" action="/login" {
            input type="hidden" name="token" value=(token);
            button { "Log in" }
        }
    };
    document("Log in", "", &html! {}, &body, None)
}

/// What the form has.
#[derive(Debug, Deserialize)]
pub struct Login {
    token: String,
}

/// Exchanges a token for a session. A right one is never kept waiting by wrong ones.
pub async fn log_in(
    State(site): State<Arc<Site>>,
    Form(Login { token }): Form<Login>,
) -> Result<Response, Refusal> {
    match site.daemon.ask(&Asked::LogIn(token)).await? {
        Told::LoggedIn(secret) => {
            let cookie = cookie(&site, &secret, SESSION_LASTS.as_secs());
            Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
        }
        Told::NoSession => Ok(wrong(&site).await),
        _ => Err(LinkError::Unreadable.into()),
    }
}

async fn wrong(site: &Site) -> Response {
    let Ok(_permit) = site.tries.try_acquire() else {
        let page =
            message("Too many tries", "Too many wrong tries to log in at once. Try again in a few seconds.");
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "5")], page).into_response();
    };
    sleep(AFTER_WRONG).await;
    let why = "This address has been used, or is older than five minutes. Run `halfopen dashboard` again.";
    (StatusCode::FORBIDDEN, message("Not logged in", why)).into_response()
}

/// Nothing is in the form but what each form has.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

pub async fn log_out(Sent(visitor, _): Sent<Nothing>) -> Result<Response, Refusal> {
    let Visitor { secret, site } = visitor;
    let _: Told = site.daemon.ask(&Asked::LogOut(secret)).await?;
    let page = message("Logged out", "This browser is logged out of the dashboard.");
    Ok(([(SET_COOKIE, cookie(&site, "", 0))], page).into_response())
}

pub async fn not_found(visitor: Visitor) -> Result<Markup, Refusal> {
    visitor.status().await?;
    Err(Refusal::NotFound("There is no such page.".to_owned()))
}

fn cookie(site: &Site, secret: &str, seconds: u64) -> String {
    let secure = if site.certificate.is_some() { "; Secure" } else { "" };
    format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", site.cookie())
}
