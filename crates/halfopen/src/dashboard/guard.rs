//! What is checked of every request, and what every answer says to browsers.

use super::server::Site;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What a page may do: load the dashboard's own style, script and events, send forms to the dashboard, and nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // With "no-referrer", browsers would not say from where a form comes.
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses requests that another page or another name of this host has led here, and adds the headers to every answer.
pub async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let has_name = |host: &str| site.has_name(host);
    let mut response = match refused(has_name, site.scheme(), request.method(), request.headers()) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(
    has_name: impl Fn(&str) -> bool,
    scheme: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Option<(StatusCode, &'static str)> {
    let host = only(headers, &HOST).filter(|host| {
        host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@') && has_name(host.host()))
    });
    let Some(host) = host else {
        let why = "This dashboard has no such name: open the address that `halfopen dashboard` prints.\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    };
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let origin = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix(scheme));
    let is_own = origin.and_then(|origin| origin.strip_prefix("://")).is_some_and(|origin| origin == host);
    let why = "The form is not one of this dashboard's own pages: nothing was done.\n";
    (!is_own).then_some((StatusCode::FORBIDDEN, why))
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::server::has_name;
    use std::net::Ipv4Addr;

    fn judged(method: &Method, headers: &[(HeaderName, &str)]) -> Option<StatusCode> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        refused(|host| has_name(Ipv4Addr::LOCALHOST.into(), None, host), "http", method, &headers)
            .map(|(status, _)| status)
    }

    #[test]
    fn only_the_names_of_this_host_lead_here() {
        for host in ["127.0.0.1:4227", "localhost:8080", "[::1]:4227", "localhost"] {
            assert_eq!(judged(&Method::GET, &[(HOST, host)]), None, "{host}");
        }
        for host in
            ["evil.example:4227", "127.0.0.1.evil.example", "a@127.0.0.1", "", "127.0.0.2", "localhost."]
        {
            assert_eq!(
                judged(&Method::GET, &[(HOST, host)]),
                Some(StatusCode::MISDIRECTED_REQUEST),
                "{host}"
            );
        }
        assert_eq!(judged(&Method::GET, &[]), Some(StatusCode::MISDIRECTED_REQUEST));
    }

    #[test]
    fn only_its_own_pages_send_forms() {
        let from = |origin| judged(&Method::POST, &[(HOST, "127.0.0.1:4227"), (ORIGIN, origin)]);
        assert_eq!(from("http://127.0.0.1:4227"), None);
        for origin in
            ["http://127.0.0.1:80", "https://127.0.0.1:4227", "http://localhost:4227", "null", "http://a"]
        {
            assert_eq!(from(origin), Some(StatusCode::FORBIDDEN), "{origin}");
        }
        assert_eq!(judged(&Method::POST, &[(HOST, "127.0.0.1:4227")]), Some(StatusCode::FORBIDDEN));
    }
}
