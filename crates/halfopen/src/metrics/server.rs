//! The HTTP server of the metrics. It has one page, and a client cannot make the daemon do or keep much: few connections,
//! each with one short request and little time.

use super::reading::Reading;
use super::written::Format;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// How many clients are served at once. More wait to be accepted.
const AT_ONCE: usize = 8;
/// How long a client may take, from the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to send its request.
const REQUEST: Duration = Duration::from_secs(5);
/// The longest request, in bytes. hyper takes no less.
const LONGEST_REQUEST: usize = 8 * 1024;
const PATH: &str = "/metrics";

/// Asks the owner of the limiter for a reading. Dropped without one if there is none.
pub type Scrape = oneshot::Sender<Reading>;

/// Serves clients until nobody takes `scrapes`, or until it is aborted.
pub async fn serve(listener: TcpListener, scrapes: mpsc::Sender<Scrape>) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    while !scrapes.is_closed() {
        let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::debug!("cannot accept a connection on the socket of the metrics: {e}");
                // Such as no descriptor left: that takes a while to pass.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let scrapes = scrapes.clone();
        tokio::spawn(async move {
            let _permit = permit;
            match timeout(PATIENCE, connection(stream, scrapes)).await {
                Ok(Ok(())) => {}
                Ok(Err(e)) => tracing::debug!("a client of the metrics: {e}"),
                Err(_) => tracing::debug!("a client of the metrics took longer than {PATIENCE:?}"),
            }
        });
    }
}

async fn connection(stream: TcpStream, scrapes: mpsc::Sender<Scrape>) -> hyper::Result<()> {
    let is_local = stream.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let answer = service_fn(move |request| {
        let scrapes = scrapes.clone();
        async move { Ok::<_, Infallible>(answer(&request, &scrapes, is_local).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(LONGEST_REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

async fn answer(
    request: &Request<Incoming>,
    scrapes: &mpsc::Sender<Scrape>,
    is_local: bool,
) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if is_local && !is_by_address(request.headers().get(HOST)) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "Ask by address, or as localhost.\n");
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let (reply, read) = oneshot::channel();
    let _ = scrapes.send(reply).await;
    match read.await.map(|reading| format.write(reading)) {
        Ok(Ok(written)) => content(StatusCode::OK, format.content_type(), written.into()),
        _ => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "The ledger cannot be read; the daemon's log says why.\n")
        }
    }
}

/// Whether a request to a loopback address came there by an address. A name is one that a web page has had resolved to
/// this host, to read the metrics with its user's browser.
fn is_by_address(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return host.is_none() };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    content(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn content(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
