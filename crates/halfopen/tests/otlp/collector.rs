//! A collector of the test: takes OTLP over HTTP as the specification has it, keeps what it gets, and answers as it is told.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::Lab;
use testkit::desk::{PATIENCE, until};

/// What it answers; after the last one, that all is well.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, and headers.
    Status(u16, &'static str),
    /// All but so many records are taken.
    Partial(i64, &'static str),
    /// No answer, until the client gives up.
    Nothing,
    /// What no client of HTTP understands.
    Garbage,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Instant,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: ExportLogsServiceRequest,
}

#[derive(Debug)]
pub struct Collector {
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Collector {
    /// Listens at `at` in the namespace of the lab's client.
    pub fn listen(lab: &Lab, at: &str, answers: &[Answer]) -> Self {
        Self::with(lab, at, answers, None)
    }

    /// The same with TLS: the files are in `place`.
    pub fn with_tls(lab: &Lab, at: &str, place: &Path) -> Self {
        let chain = CertificateDer::from_pem_file(place.join("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(place.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
        Self::with(lab, at, &[], Some(Arc::new(config)))
    }

    fn with(lab: &Lab, at: &str, answers: &[Answer], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = lab.client().run(|| TcpListener::bind(at).unwrap()).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, mut answers) = (Arc::clone(&asked), VecDeque::from(answers.to_vec()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = &mut answers;
                match &tls {
                    None => serve(stream, &all, answer),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, stream), &all, answer);
                    }
                }
            }
        });
        Self { asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The first so many requests, once they have come.
    pub fn await_asked(&self, so_many: usize) -> Vec<Asked> {
        until(&format!("{so_many} requests"), PATIENCE, || {
            Some(self.asked()).filter(|asked| asked.len() >= so_many)
        })
    }
}

/// Serves one request. One that a client breaks off is none.
fn serve(stream: impl Read + Write, all: &Mutex<Vec<Asked>>, answers: &mut VecDeque<Answer>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let body = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
    all.lock().unwrap().push(Asked { at: Instant::now(), path, headers, body });
    let (status, more, answer) = match answers.pop_front() {
        None => (200, "", ExportLogsServiceResponse::default()),
        Some(Answer::Status(status, more)) => (status, more, ExportLogsServiceResponse::default()),
        Some(Answer::Partial(rejected_log_records, why)) => {
            let partial = ExportLogsPartialSuccess { rejected_log_records, error_message: why.to_owned() };
            (200, "", ExportLogsServiceResponse { partial_success: Some(partial) })
        }
        Some(Answer::Garbage) => {
            let _ = stream.get_mut().write_all(b"220 mail.example ESMTP\r\n");
            return;
        }
        Some(Answer::Nothing) => {
            // Ends when the client does.
            let _ = stream.read_to_end(&mut Vec::new());
            return;
        }
    };
    let answer = answer.encode_to_vec();
    let head = format!(
        "HTTP/1.1 {status} so\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n{more}\r\n",
        answer.len()
    );
    let _ = stream.get_mut().write_all(&[head.as_bytes(), &answer].concat());
    let _ = stream.get_mut().flush();
}

impl Asked {
    pub fn records(&self) -> Vec<LogRecord> {
        self.body
            .resource_logs
            .iter()
            .flat_map(|logs| &logs.scope_logs)
            .flat_map(|logs| logs.log_records.clone())
            .collect()
    }

    pub fn resource(&self) -> Value {
        object(&self.body.resource_logs[0].resource.as_ref().unwrap().attributes)
    }
}

/// The attributes of a record.
pub fn object(values: &[KeyValue]) -> Value {
    values.iter().map(|found| (found.key.clone(), json_of(found.value.as_ref().unwrap()))).collect()
}

pub fn json_of(value: &AnyValue) -> Value {
    match value.value.as_ref().unwrap() {
        Any::StringValue(text) => json!(text),
        Any::IntValue(number) => json!(number),
        Any::BoolValue(flag) => json!(flag),
        Any::ArrayValue(list) => list.values.iter().map(json_of).collect(),
        Any::KvlistValue(list) => object(&list.values),
        other => panic!("{other:?}"),
    }
}

/// How much later the second request came.
pub fn apart(asked: &[Asked]) -> Duration {
    asked[1].at - asked[0].at
}
