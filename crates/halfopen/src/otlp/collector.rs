//! A request to the collector, and what its answer means by the specification of OTLP over HTTP. Each request has a
//! connection of its own: there is one every few seconds at most, and none is left open to a collector that is gone.

use super::message::Trouble;
use super::queue::Verdict;
use super::{Sends, headers};
use crate::config::CollectorUrl;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a request may take, as OTLP's exporters have it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long each of the collector's addresses is tried.
const TO_CONNECT: Duration = Duration::from_secs(3);
/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How much of what a collector says is shown, in letters.
const SHOWN: usize = 200;

/// What came of a request.
#[derive(Debug)]
pub struct Outcome {
    /// What becomes of its events.
    pub verdict: Verdict,
    /// Why not all of them are sent.
    pub trouble: Option<Trouble>,
    /// How long the collector asks to be left alone.
    pub asked: Option<Duration>,
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        Self { verdict: Verdict::Again, trouble: Some(trouble), asked: None }
    }
}

/// The collector, with what requests to it need.
pub struct Collector {
    url: CollectorUrl,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Collector {
    /// Reads the files. Call this before the process is sandboxed.
    ///
    /// # Errors
    /// [`Trouble::Setup`].
    pub fn open(sends: &Sends) -> Result<Self, Trouble> {
        let setup = |why: String| Trouble::Setup(why);
        let url = sends.endpoint.clone();
        let mut all = HeaderMap::new();
        all.insert(USER_AGENT, HeaderValue::from_static(concat!("halfopen/", env!("CARGO_PKG_VERSION"))));
        if let Some(path) = &sends.headers {
            all.extend(headers::read(path).map_err(|e| setup(e.to_string()))?);
        }
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        all.insert(CONNECTION, HeaderValue::from_static("close"));
        let host = HeaderValue::try_from(url.authority()).map_err(|e| setup(e.to_string()))?;
        all.insert(HOST, host);
        let tls = url.tls.then(|| connector(&url, sends.ca.as_deref())).transpose().map_err(setup)?;
        // The C library loads what it looks names up with only now: no memory becomes executable in the sandbox.
        let _ = addresses(&url);
        Ok(Self { url, headers: all, tls })
    }

    /// Sends a request.
    pub async fn send(&self, body: Vec<u8>) -> Outcome {
        match timeout(PATIENCE, self.try_to_send(body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(trouble)) => trouble.into(),
            Err(_) => Trouble::Silent(PATIENCE.as_secs()).into(),
        }
    }

    async fn try_to_send(&self, body: Vec<u8>) -> Result<Outcome, Trouble> {
        let stream = self.connect().await?;
        let Some((connector, name)) = &self.tls else { return self.exchange(stream, body).await };
        let stream = connector.connect(name.clone(), stream).await;
        self.exchange(stream.map_err(|e| Trouble::Tls(e.to_string()))?, body).await
    }

    async fn connect(&self) -> Result<TcpStream, Trouble> {
        let mut last = Trouble::NoAddress(self.url.host.clone());
        for at in addresses(&self.url).map_err(|e| Trouble::NoAddress(format!("{}: {e}", self.url.host)))? {
            last = Trouble::NoConnection(match timeout(TO_CONNECT, TcpStream::connect(at)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => format!("{at}: {e}"),
                Err(_) => format!("{at}: no answer within {} s", TO_CONNECT.as_secs()),
            });
        }
        Err(last)
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        body: Vec<u8>,
    ) -> Result<Outcome, Trouble> {
        let broken = |e: hyper::Error| Trouble::NoHttp(cut(&in_full(&e)));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut request = Request::post(self.url.logs_path())
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| Trouble::NoHttp(e.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        let answered = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            Ok(judge(response).await)
        };
        tokio::pin!(connection);
        tokio::select! {
            biased;
            answered = answered => answered,
            // It ends before the answer has come: the answer itself says more.
            Err(e) = &mut connection => Err(broken(e)),
        }
    }
}

/// What an answer means: 429, 502, 503 and 504 ask for another try, and no other error does.
async fn judge(response: Response<Incoming>) -> Outcome {
    let status = response.status();
    let number = status.as_u16();
    match status {
        status if status.is_success() => {}
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|asked| asked.to_str().ok());
            let asked = asked.and_then(|asked| wait_asked(asked, Timestamp::now()));
            return Outcome { asked, ..Trouble::Busy(number).into() };
        }
        _ => return Outcome { verdict: Verdict::Refused, ..Trouble::Refused(number).into() },
    }
    // Not all collectors answer in Protobuf. What is not understood rejects nothing.
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let partial = ExportLogsServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    let (rejected, why) = partial.map_or((0, String::new()), |partial| {
        (partial.rejected_log_records.try_into().unwrap_or(0), partial.error_message)
    });
    let trouble = (rejected > 0).then(|| Trouble::Rejected(cut(&why)));
    Outcome { verdict: Verdict::Taken { rejected }, trouble, asked: None }
}

/// The wait that `Retry-After` asks for, in seconds or as a date.
fn wait_asked(asked: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = asked.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(asked.trim()).ok()?.timestamp();
    Some(Duration::try_from(until - now).unwrap_or_default())
}

/// The collector's addresses, of which four are tried at most.
fn addresses(url: &CollectorUrl) -> io::Result<Vec<SocketAddr>> {
    Ok((url.host.as_str(), url.port).to_socket_addrs()?.take(4).collect())
}

fn connector(url: &CollectorUrl, ca: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), String> {
    let name = ServerName::try_from(url.host.clone());
    let name = name.map_err(|e| format!("no certificate can be for the host of otlp.endpoint {url}: {e}"))?;
    let mut roots = RootCertStore::empty();
    let found = match ca {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| {
                format!(
                    "cannot read otlp.ca {}: {e}: it has to have certificates in PEM form",
                    path.display()
                )
            })?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err(
            "no certificate vouches for the collector: install ca-certificates, or name a file in otlp.ca"
                .into(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("cannot use TLS: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// With what caused it, which hyper's text leaves out.
fn in_full(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// What a stranger wrote, of bounded length and without control characters.
fn cut(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-28T10:00:00Z".parse().unwrap();
        let wait = |asked| wait_asked(asked, now).map(|wait| wait.as_secs());
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("Sat, 28 Nov 2026 10:01:00 GMT"), Some(60));
        assert_eq!(wait("Sat, 28 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!([wait("soon"), wait("-1"), wait("")], [None; 3]);
    }
}
