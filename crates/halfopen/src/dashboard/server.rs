//! The dashboard's site: which pages there are, and what all of them share.

use super::certificate::Certificate;
use super::guard::guard;
use super::link::Link;
use super::pages;
use super::past::Past;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use ring::hmac::Key;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The longest form, in bytes.
const LONGEST_FORM: usize = 8 * 1024;
/// How many wrong tries to log in are answered at once, each after a while.
const TRIES: usize = 4;
/// How many clients follow what happens at once.
const FOLLOWERS: usize = 16;

/// What all pages share.
#[derive(Debug)]
pub struct Site {
    /// The address that it listens on.
    pub ip: IpAddr,
    /// The name of this host.
    pub host: String,
    /// With it, the site speaks TLS.
    pub certificate: Option<Arc<Certificate>>,
    /// The daemon.
    pub daemon: Link,
    /// Who reads the history.
    pub past: Past,
    /// What tokens of forms are made with.
    pub forms: Key,
    /// Wrong tries to log in that wait for their answer.
    pub tries: Arc<Semaphore>,
    /// Those who follow what happens.
    pub followers: Arc<Semaphore>,
}

impl Site {
    /// The site of this host on `ip`.
    pub(super) fn new(
        ip: IpAddr,
        host: String,
        certificate: Option<Arc<Certificate>>,
        daemon: Link,
        past: Past,
        forms: Key,
    ) -> Self {
        let (tries, followers) = (Arc::new(Semaphore::new(TRIES)), Arc::new(Semaphore::new(FOLLOWERS)));
        Self { ip, host, certificate, daemon, past, forms, tries, followers }
    }

    /// Whether this site has that name or address, as a URL has it.
    #[must_use]
    pub fn has_name(&self, host: &str) -> bool {
        has_name(self.ip, self.certificate.as_deref(), host)
    }

    /// The scheme of its addresses.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    /// The name of the cookie. A browser takes the longer one from TLS only, and from this host only.
    #[must_use]
    pub fn cookie(&self) -> &'static str {
        if self.certificate.is_some() { "__Host-halfopen" } else { "halfopen" }
    }
}

/// Whether a site that listens on `ip` has that name or address. Names that others could give this host are none.
#[must_use]
pub fn has_name(ip: IpAddr, certificate: Option<&Certificate>, host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let own = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), ip];
    let is_loopback = ip.is_loopback()
        && (host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| own.contains(&address)));
    is_loopback || certificate.is_some_and(|certificate| certificate.is_for(host))
}

/// All pages.
pub fn pages(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(pages::overview::overview))
        .route("/account", get(pages::account::account))
        .route("/account/block", post(pages::account::block))
        .route("/account/release", post(pages::account::release))
        .route("/events", get(pages::events::events))
        .route("/event", get(pages::event::event))
        .route("/settings", get(pages::settings::settings))
        .route("/settings/{name}", get(pages::setting::setting).post(pages::setting::change))
        .route("/enforce", post(pages::trial::enforce))
        .route("/history", get(pages::history::history))
        .route("/live", get(pages::live::live))
        .route("/login", post(pages::login::log_in))
        .route("/login/{token}", get(pages::login::ask))
        .route("/logout", post(pages::login::log_out))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
        .fallback(pages::login::not_found)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js"))
}
