//! The address of a collector of OpenTelemetry.

use hyper::Uri;
use std::fmt;
use std::str::FromStr;

/// Where a collector takes OTLP over HTTP, as `OTEL_EXPORTER_OTLP_ENDPOINT` says it: without `/v1/logs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What stands before `/v1/logs` in the path; empty, or begins with a slash and does not end with one.
    base: String,
}

/// The text is no such address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected http:// or https://, a name or address, and no user, password or query")]
pub struct NotACollector;

impl CollectorUrl {
    /// The path to which logs are sent.
    #[must_use]
    pub fn logs_path(&self) -> String {
        format!("{}/v1/logs", self.base)
    }

    /// Name or address, and port, as the `Host` of a request has them.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl FromStr for CollectorUrl {
    type Err = NotACollector;

    fn from_str(text: &str) -> Result<Self, NotACollector> {
        let uri: Uri = text.parse().map_err(|_| NotACollector)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(NotACollector);
        };
        let (tls, usual) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(NotACollector),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        // A secret in the address would be shown by `get`; a port that is none is not parsed.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port @ 1..) => port,
            None if !has_port => usual,
            _ => return Err(NotACollector),
        };
        if host.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(NotACollector);
        }
        Ok(Self { tls, host, port, base: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}{}", if self.tls { "s" } else { "" }, self.authority(), self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_go_below_the_path_of_the_address() {
        for (text, shown, path) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318", "/v1/logs"),
            ("https://otel.example.org/", "https://otel.example.org:443", "/v1/logs"),
            ("http://[::1]:4318/a/b/", "http://[::1]:4318/a/b", "/a/b/v1/logs"),
        ] {
            let url: CollectorUrl = text.parse().unwrap();
            assert_eq!((url.to_string(), url.logs_path()), (shown.to_owned(), path.to_owned()));
            assert_eq!(shown.parse(), Ok(url));
        }
    }

    #[test]
    fn no_secret_no_query_and_no_other_scheme() {
        for text in [
            "",
            "127.0.0.1:4318",
            "grpc://a:4317",
            "http://",
            "http://user:secret@a:4318",
            "http://a:4318/?token=secret",
            "http://a:0",
            "http://a:99999",
            "http://a:",
        ] {
            assert_eq!(text.parse::<CollectorUrl>(), Err(NotACollector), "{text}");
        }
    }
}
