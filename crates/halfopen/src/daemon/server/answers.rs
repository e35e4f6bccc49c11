//! Reads requests, asks the limiter's owner, and writes its answers.

use super::peer::Peer;
use super::streams::{EventId, events, scope};
use super::{Call, Daemon, LASTING, LONGEST_REQUEST, PATIENCE, Reply};
use crate::config::limits::HALF_OPEN;
use crate::config::{RuleName, read_name};
use crate::control::openapi::document;
use crate::control::routes::{Form, OPENAPI, ROUTES, Route, STREAM};
use crate::control::{Answer, RefusalKind, Request};
use crate::daemon::enforcement::HOST;
use crate::events::Event;
use crate::tuning::LimitTried;
use crate::utc_time::UtcTime;
use axum::body::to_bytes;
use axum::extract::{RawPathParams, Request as HttpRequest};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, RequestExt, Router};
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{sleep, timeout};

/// Of the time of the limiter's owner, users other than root get one part in so many.
const SHARE_OF_OTHERS: u32 = 5;
/// How far back a dry run looks.
const LAST_HOUR: Duration = Duration::from_hours(1);

/// A connection, as its request sees it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    peer: Peer,
    /// Told once the client has the answer.
    written: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Asked {
    pub fn by(peer: Peer) -> Self {
        Self { peer, written: Arc::default() }
    }

    /// The client has the answer, or cannot get it.
    pub fn is_answered(&self) {
        let written = self.written.lock().ok().and_then(|mut written| written.take());
        if let Some(written) = written {
            let _ = written.send(());
        }
    }
}

/// All routes, for all connections.
pub(super) fn router(daemon: &Arc<Daemon>) -> Router {
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        let Ok(method) = MethodFilter::try_from(route.method.clone()) else { return router };
        let daemon = Arc::clone(daemon);
        let answers = move |Extension(asked): Extension<Asked>, request: HttpRequest| async move {
            answer(route, &daemon, &asked, request).await.unwrap_or_else(IntoResponse::into_response)
        };
        router.route(route.path, on(method, answers))
    });
    let unknown = || async { Refused::wrong_use(StatusCode::NOT_FOUND, "there is no such path") };
    let not_so =
        || async { Refused::wrong_use(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method") };
    routes
        .route(OPENAPI, get(|| async { json(StatusCode::OK, &document()) }))
        .fallback(unknown)
        .method_not_allowed_fallback(not_so)
}

async fn answer(
    route: &'static Route,
    daemon: &Arc<Daemon>,
    asked: &Asked,
    mut request: HttpRequest,
) -> Result<Response, Refused> {
    asked.peer.may(route.may).map_err(|why| Refused::new(StatusCode::FORBIDDEN, RefusalKind::Cannot, why))?;
    let follows = accepts_stream(request.headers());
    let after =
        request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<EventId>().ok());
    let in_path = request.extract_parts::<RawPathParams>().await;
    let in_path = in_path.map_err(|e| Refused::wrong_use(StatusCode::BAD_REQUEST, &e.body_text()))?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = match timeout(PATIENCE, to_bytes(request.into_body(), LONGEST_REQUEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let why = format!("the body cannot be read, or is longer than {LONGEST_REQUEST} bytes");
            return Err(Refused::wrong_use(StatusCode::PAYLOAD_TOO_LARGE, &why));
        }
        Err(_) => {
            let why = format!("the body did not come within {PATIENCE:?}");
            return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, RefusalKind::Failed, why));
        }
    };
    let request = route.read(in_path.iter(), &query, &body, follows);
    let mut request = request.map_err(|why| Refused::wrong_use(StatusCode::BAD_REQUEST, &why))?;
    if let (Request::Events { since, .. }, Some(after)) = (&mut request, after) {
        *since = (*since).max(Some(after.time));
    }
    let is_dry_run = matches!(request, Request::Set { dry_run: true, .. });
    let lasts = match (route.form, &request) {
        (Form::Stream, _) | (_, Request::Events { follow: true, .. }) => Some(daemon.lasting()?),
        _ => None,
    };
    let reply = match request {
        Request::History { .. } | Request::Tuning { .. } => {
            return daemon.in_turn(asked.peer, daemon.told(route, request)).await;
        }
        _ => daemon.in_turn(asked.peer, daemon.ask(asked.peer, request)).await?,
    };
    Ok(match reply {
        Reply::Answer(Answer::Changed { name, was, now, .. }) if is_dry_run => {
            let would_have = daemon.would_have(&name, &now).await;
            written(&Answer::Changed { name, was, now, would_have })
        }
        Reply::Answer(answer) => written(&answer),
        Reply::Ending { answer, written: told } => {
            if let Ok(mut written) = asked.written.lock() {
                *written = Some(told);
            }
            written(&answer)
        }
        Reply::Events { not_kept, past, follow: None } => {
            let events = past.iter().map(|event| Event::clone(event)).collect();
            written(&Answer::Events { not_kept, events })
        }
        Reply::Events { not_kept, past, follow: Some(to_come) } => {
            events(not_kept, past, to_come, after, lasts)
        }
        Reply::Scope { answer, name } => scope(&answer, name, daemon.calls.clone(), lasts),
    })
}

impl Daemon {
    fn lasting(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.lasting).try_acquire_owned().map_err(|_| {
            let why =
                format!("{LASTING} clients already follow events or run commands with `exec`: end one first");
            Refused::unavailable(why)
        })
    }

    /// What `asked` gives, once it is the peer's turn: at once for root.
    pub(super) async fn in_turn<T>(&self, peer: Peer, asked: impl Future<Output = T>) -> T {
        if peer.is_root() {
            return asked.await;
        }
        let turn = Arc::clone(&self.of_others).lock_owned().await;
        let began = Instant::now();
        let reply = asked.await;
        let rest = began.elapsed() * (SHARE_OF_OTHERS - 1);
        tokio::spawn(async move {
            sleep(rest).await;
            drop(turn);
        });
        reply
    }

    /// What the process that reads the history tells.
    async fn told(&self, route: &Route, request: Request) -> Result<Response, Refused> {
        let Some(history) = &self.history else {
            return Err(Refused::unavailable("there is no history: history.keep_days is \"off\""));
        };
        let told = history.ask(request).await.map_err(|e| Refused::unavailable(e.to_string()))?;
        if told.name == route.answer {
            return Ok(json_text(StatusCode::OK, told.body));
        }
        match told.answer() {
            Ok(answer) => Ok(written(&answer)),
            Err(e) => Err(Refused::unavailable(e.to_string())),
        }
    }

    /// What a `half_open` would have done in the last hour; `None` for other settings, and where the history does not
    /// know.
    async fn would_have(&self, name: &str, value: &str) -> Option<LimitTried> {
        let name = read_name(name).ok().filter(|name| name.key.name == HALF_OPEN.name)?;
        let scope = match name.rule {
            None => HOST.to_owned(),
            Some(RuleName::Scope(scope)) => scope,
            Some(_) => return None,
        };
        let since = Some(UtcTime::now().before(LAST_HOUR));
        let request = Request::Tuning { scope: Some(scope), since, half_open: Some(value.parse().ok()?) };
        match self.history.as_ref()?.ask(request).await.ok()?.answer() {
            Ok(Answer::Tuning(tuning)) => tuning.tried,
            _ => None,
        }
    }

    pub(super) async fn ask(&self, peer: Peer, request: Request) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        let _ = self.calls.send(Call::Ask { request, peer: peer.pid, reply }).await;
        answer.await.map_err(|_| Refused::unavailable("the daemon is ending"))
    }
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with(STREAM))
}

fn written(answer: &Answer) -> Response {
    if let Answer::Refused { kind, message } = answer {
        let status = match kind {
            RefusalKind::WrongUse => StatusCode::BAD_REQUEST,
            RefusalKind::Cannot => StatusCode::FORBIDDEN,
            RefusalKind::Failed => StatusCode::CONFLICT,
        };
        return Refused::new(status, *kind, message.as_str()).into_response();
    }
    match answer.written() {
        Ok((_, body)) => json(StatusCode::OK, &body),
        Err(e) => Refused::unavailable(e.to_string()).into_response(),
    }
}

fn json(status: StatusCode, body: &Value) -> Response {
    json_text(status, body.to_string())
}

fn json_text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    kind: RefusalKind,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    fn wrong_use(status: StatusCode, message: &str) -> Self {
        Self::new(status, RefusalKind::WrongUse, message)
    }

    fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, RefusalKind::Failed, message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, kind, message } = self;
        let body = Answer::Refused { kind, message }.written().map(|(_, body)| body);
        json(status, &body.unwrap_or_default())
    }
}
