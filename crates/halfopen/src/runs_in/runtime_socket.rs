//! The socket of Docker or Podman: HTTP over a Unix socket, and one request, for the list of running containers.

use super::docker_files::pod_of_labels;
use super::{Runtime, Said};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const LONGEST: usize = 8 << 20;
/// Both have it, in each version of their API.
const LIST: &str = "/containers/json";

/// The socket of a container runtime, as the configuration writes it: `docker:/run/docker.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSocket {
    /// [`Runtime::Docker`] or [`Runtime::Podman`].
    runtime: Runtime,
    path: PathBuf,
}

/// The text names no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected docker: or podman: and the absolute path of its socket, such as docker:/run/docker.sock")]
pub struct NoRuntimeSocket;

/// Why a socket gave no list of containers.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// Who listens there may not speak for containers.
    #[error("user {0} listens there, not root")]
    NotRoot(u32),
    /// No answer came in time.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    /// The runtime refused.
    #[error("it answered {0}")]
    Refused(StatusCode),
    /// The answer was too long, or was cut.
    #[error("the answer could not be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not a list of containers.
    #[error("the answer is not a list of containers: {0}")]
    Malformed(serde_json::Error),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<HashMap<String, String>>,
}

impl RuntimeSocket {
    /// What the runtime says about its running containers, by their numbers.
    ///
    /// # Errors
    /// [`SocketError`], after [`PATIENCE`] at the latest.
    pub async fn running(&self) -> Result<HashMap<String, Said>, SocketError> {
        timeout(PATIENCE, self.list()).await.unwrap_or(Err(SocketError::Silent))
    }

    async fn list(&self) -> Result<HashMap<String, Said>, SocketError> {
        let stream = UnixStream::connect(&self.path).await.map_err(SocketError::Connect)?;
        let peer = stream.peer_cred().map_err(SocketError::Connect)?.uid();
        if peer != 0 {
            return Err(SocketError::NotRoot(peer));
        }
        let (mut requests, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(SocketError::Broken)?;
        // It ends with the requests.
        tokio::spawn(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = hyper::Uri::from_static(LIST);
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("localhost"));
        let answer = requests.send_request(request).await.map_err(SocketError::Broken)?;
        if answer.status() != StatusCode::OK {
            return Err(SocketError::Refused(answer.status()));
        }
        let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(SocketError::Body)?;
        let all: Vec<Listed> = serde_json::from_slice(&body.to_bytes()).map_err(SocketError::Malformed)?;
        Ok(all.into_iter().map(|listed| (listed.id.clone(), self.said(listed))).collect())
    }

    fn said(&self, listed: Listed) -> Said {
        let name = listed.names.into_iter().next();
        Said {
            name: name.map(|name| name.trim_start_matches('/').to_owned()).filter(|name| !name.is_empty()),
            image: Some(listed.image).filter(|image| !image.is_empty()),
            runtime: Some(self.runtime),
            pod: pod_of_labels(&listed.labels.unwrap_or_default()),
        }
    }
}

impl fmt::Display for RuntimeSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.runtime == Runtime::Docker { "docker" } else { "podman" };
        write!(f, "{kind}:{}", self.path.display())
    }
}

impl FromStr for RuntimeSocket {
    type Err = NoRuntimeSocket;

    fn from_str(text: &str) -> Result<Self, NoRuntimeSocket> {
        let (kind, path) = text.split_once(':').ok_or(NoRuntimeSocket)?;
        let runtime = match kind {
            "docker" => Runtime::Docker,
            "podman" => Runtime::Podman,
            _ => return Err(NoRuntimeSocket),
        };
        let path = PathBuf::from(path);
        if path.is_absolute() { Ok(Self { runtime, path }) } else { Err(NoRuntimeSocket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    fn asked(answer: Vec<u8>, hangs: bool) -> Result<HashMap<String, Said>, SocketError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(&answer).unwrap();
            if hangs {
                // Until the client has given up.
                let _ = stream.read(&mut request);
            }
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let socket: RuntimeSocket = format!("docker:{}", path.display()).parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let said = runtime.block_on(socket.running());
        drop(runtime);
        assert!(server.join().unwrap().starts_with("GET /containers/json HTTP/1.1\r\n"));
        said
    }

    #[test]
    fn a_list_of_containers_is_read() {
        let list = r#"[{"Id":"4f","Names":["/web"],"Image":"nginx","Labels":null,"State":"running"}]"#;
        let (first, rest) = list.split_at(7);
        let chunks = [first, rest, ""].map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).concat();
        let said = asked(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes(),
            false,
        );
        let web = &said.unwrap()["4f"];
        assert_eq!((web.name.as_deref(), web.image.as_deref()), (Some("web"), Some("nginx")));
    }

    #[test]
    fn what_is_no_list_is_an_error_that_says_so() {
        for (answer, hangs, says) in [
            (&b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..], false, "it answered 500"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, "not a list of containers"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[", false, "could not be read"),
            (b"SSH-2.0-x\r\n", false, "the connection broke"),
            (b"", false, "the connection broke"),
            (b"HTTP/1.1 200 OK\r\n", true, "no answer within 2 s"),
        ] {
            let error = asked(answer.to_vec(), hangs).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_socket_is_written_with_its_runtime() {
        for text in ["docker:/run/docker.sock", "podman:/run/podman/podman.sock"] {
            assert_eq!(text.parse::<RuntimeSocket>().unwrap().to_string(), text);
        }
        for text in ["/run/docker.sock", "docker:docker.sock", "cri:/run/x", ""] {
            assert_eq!(text.parse::<RuntimeSocket>(), Err(NoRuntimeSocket), "{text}");
        }
    }
}
