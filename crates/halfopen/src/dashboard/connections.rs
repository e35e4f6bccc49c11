//! The dashboard's connections: so many at a time, and each for a while.

use super::certificate::Certificate;
use super::visitor::Lasting;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How many there are at once. More wait to be accepted.
const AT_ONCE: usize = 64;
/// How long a client may take to agree on TLS, and to send the head of a request; how long it may then say nothing.
const HEAD: Duration = Duration::from_secs(10);
/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How long a connection may last, unless it follows what happens.
const CONNECTION: Duration = Duration::from_mins(1);
/// How much longer one may last that does.
const FOLLOWING: Duration = Duration::from_mins(15);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// Serves clients until it is dropped.
pub async fn serve(listener: TcpListener, certificate: Option<&Certificate>, pages: Router) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::debug!("cannot accept a connection of the dashboard: {e}");
                // Such as no descriptor left: that takes a while to pass.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (pages, acceptor) = (pages.clone(), certificate.map(|found| found.acceptor().clone()));
        tokio::spawn(async move {
            let _permit = permit;
            match acceptor {
                None => connection(stream, pages).await,
                Some(acceptor) => match timeout(HEAD, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, pages).await,
                    Ok(Err(e)) => tracing::debug!("a client of the dashboard does not agree on TLS: {e}"),
                    Err(_) => tracing::debug!("a client of the dashboard is too slow to agree on TLS"),
                },
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, pages: Router) {
    let lasting = Lasting::default();
    let answer = {
        let lasting = lasting.clone();
        service_fn(move |request| answer(request, pages.clone(), lasting.clone()))
    };
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LONGEST_HEAD);
    let finished = protocol.serve_connection(TokioIo::new(stream), answer);
    let is_over = async {
        sleep(CONNECTION).await;
        if lasting.is_set() {
            sleep(FOLLOWING).await;
        }
    };
    tokio::select! {
        finished = finished => if let Err(e) = finished {
            tracing::debug!("a client of the dashboard: {e}");
        },
        () = is_over => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    pages: Router,
    lasting: Lasting,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(lasting);
    Ok(timeout(REQUEST, pages.oneshot(request)).await.map_or_else(
        |_| {
            let mut late = Response::new(Body::from("The request took too long.\n"));
            *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
            late
        },
        |Ok(response)| response,
    ))
}
