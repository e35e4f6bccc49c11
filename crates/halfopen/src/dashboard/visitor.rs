//! Somebody with a session, and what is said to those without.

use super::link::LinkError;
use super::message::{Asked, Told, Wanted};
use super::pages::layout::message;
use super::server::Site;
use crate::control::{Answer, RefusalKind, Status};
use crate::events::Event;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use ring::hmac::{sign, verify};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Set for a connection that follows what happens: it may last.
#[derive(Debug, Clone, Default)]
pub struct Lasting(Arc<AtomicBool>);

impl Lasting {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Relaxed);
    }
}

/// Somebody who has sent the secret of a session. Only the daemon knows whether there is such a session.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub(super) secret: String,
    pub(super) site: Arc<Site>,
}

/// Why there is no page.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody is logged in.
    NoSession,
    /// The form is not one that this session was given.
    ForeignForm,
    /// There is no such page or thing.
    NotFound(String),
    /// The daemon refuses.
    Refused(RefusalKind, String),
    /// The daemon does not answer.
    NoAnswer(LinkError),
    /// Too many do this at once.
    TooMany(&'static str),
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        Self::NoAnswer(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::NoSession => (
                StatusCode::UNAUTHORIZED,
                "Log in",
                "Nobody is logged in here, or the session has ended. Run `halfopen dashboard` as root on this host, and open \
                 the address that it prints."
                    .to_owned(),
            ),
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                "Nothing was done",
                "The form is not from this session. Go back, load the page again, and send it again.".to_owned(),
            ),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Refused(RefusalKind::WrongUse, why) => (StatusCode::BAD_REQUEST, "Nothing was done", why),
            Self::Refused(_, why) => (StatusCode::CONFLICT, "Nothing was done", why),
            Self::NoAnswer(why) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The daemon does not answer",
                format!("The daemon does not answer: {why}. The limit itself does not depend on this page."),
            ),
            Self::TooMany(what) => (StatusCode::TOO_MANY_REQUESTS, "Too many at once", what.to_owned()),
        };
        (status, message(title, &text)).into_response()
    }
}

impl Visitor {
    /// Asks the daemon for something.
    pub async fn want(&self, wanted: Wanted) -> Result<Told, Refusal> {
        match self.site.daemon.ask(&Asked::Want(self.secret.clone(), wanted)).await? {
            Told::NoSession => Err(Refusal::NoSession),
            Told::Answer(answer) => match *answer {
                Answer::Refused { kind, message } => Err(Refusal::Refused(kind, message)),
                answer => Ok(Told::Answer(Box::new(answer))),
            },
            told => Ok(told),
        }
    }

    /// Asks for what a client of the control socket can get.
    pub async fn answer(&self, wanted: Wanted) -> Result<Answer, Refusal> {
        match self.want(wanted).await? {
            Told::Answer(answer) => Ok(*answer),
            _ => Err(LinkError::Unreadable.into()),
        }
    }

    /// All numbers.
    pub async fn status(&self) -> Result<Box<Status>, Refusal> {
        match self.answer(Wanted::Status).await? {
            Answer::Status(status) => Ok(status),
            _ => Err(LinkError::Unreadable.into()),
        }
    }

    /// Events, the latest last.
    pub async fn events(&self, wanted: Wanted) -> Result<Vec<Event>, Refusal> {
        match self.want(wanted).await? {
            Told::Events(events) => Ok(events),
            _ => Err(LinkError::Unreadable.into()),
        }
    }

    /// What forms of this session carry.
    #[must_use]
    pub fn form_token(&self) -> String {
        let tag = sign(&self.site.forms, self.secret.as_bytes());
        tag.as_ref().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn has_sent(&self, form_token: &str) -> bool {
        let bytes: Option<Vec<u8>> = (0..form_token.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(form_token.get(at..at + 2)?, 16).ok())
            .collect();
        bytes.is_some_and(|bytes| verify(&self.site.forms, self.secret.as_bytes(), &bytes).is_ok())
    }
}

impl FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Refusal> {
        let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies =
            cookies.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let secret = cookies.find(|(name, _)| *name == site.cookie()).map(|(_, secret)| secret.to_owned());
        let secret = secret.ok_or(Refusal::NoSession)?;
        Ok(Self { secret, site: Arc::clone(site) })
    }
}

/// A form that this session was given. Its fields are texts.
#[derive(Debug)]
pub struct Sent<T>(pub Visitor, pub T);

#[derive(Deserialize)]
struct WithToken<T> {
    form: String,
    #[serde(flatten)]
    fields: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Site>> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, site).await?;
        let sent = Form::<WithToken<T>>::from_request(Request::from_parts(parts, body), site).await;
        let Form(sent) = sent.map_err(|e| Refusal::Refused(RefusalKind::WrongUse, e.body_text()))?;
        if visitor.has_sent(&sent.form) { Ok(Self(visitor, sent.fields)) } else { Err(Refusal::ForeignForm) }
    }
}
