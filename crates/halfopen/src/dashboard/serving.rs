//! The dashboard's process: from root, which opens what it needs, to a process that talks to browsers.

use super::certificate::{Certificate, CertificateError};
use super::link::Link;
use super::message::{Asked, Told};
use super::past::Past;
use super::server::{Site, pages};
use super::{Serves, connections};
use crate::history_reader::HistoryReader;
use crate::privileged::serving::deafen;
use crate::recorder::at_socket;
use crate::sandbox;
use anyhow::{Context, Result};
use ring::hmac::{HMAC_SHA256, Key};
use ring::rand::SystemRandom;
use rustix::net::SocketType;
use rustix::process::umask;
use rustix::thread::set_name;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an address that is taken is tried again: the process of an earlier daemon may still be about to end.
const TAKEN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);

/// Why the dashboard cannot be served.
#[derive(Debug, thiserror::Error)]
enum NotServed {
    #[error(
        "cannot listen on dashboard.listen {at}: {why}; end what listens there (`ss -ltnp` names it) or set another address, and restart the daemon"
    )]
    Listen { at: SocketAddr, why: io::Error },
    #[error("{0}; then restart the daemon")]
    Certificate(#[from] CertificateError),
    #[error("cannot start the process that reads the history: {0}")]
    Past(io::Error),
}

/// Serves the dashboard until the daemon closes its end of standard input.
///
/// # Errors
/// If standard input is not the daemon's, or if this process cannot be sandboxed.
pub fn serve(serves: &Serves) -> Result<()> {
    let stdin = io::stdin();
    at_socket(&stdin, SocketType::STREAM, "dashboard-server")?;
    let daemon = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    // The kernel cuts it to 15 bytes; ps shows it.
    let _ = set_name(c"halfopen-dashboard");
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    deafen()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let opened = open(serves);
    if opened.is_ok() {
        sandbox::enter_as_dashboard().context("the dashboard is not sandboxed")?;
    }
    let forms = Key::generate(HMAC_SHA256, &SystemRandom::new())
        .ok()
        .context("the kernel gives no random numbers")?;
    runtime.block_on(async {
        let (daemon, until) = Link::over(into_tokio(daemon)?);
        let Opened { listener, certificate, past, host } = match opened {
            Ok(opened) => opened,
            Err(why) => {
                let Told::Noted = daemon.ask(&Asked::NotServed(why.to_string())).await? else {
                    return Ok(());
                };
                return Ok(());
            }
        };
        let at = listener.local_addr()?;
        let certificate = certificate.map(Arc::new);
        let past = Past::of(past)?;
        let site = Site::new(at.ip(), host, certificate.clone(), daemon.clone(), past, forms);
        let address = address(&site, at);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let Told::Noted = daemon.ask(&Asked::Serving(address)).await? else { return Ok(()) };
        tokio::select! {
            () = connections::serve(listener, certificate.as_deref(), pages(Arc::new(site))) => {}
            _ = until => {}
        }
        Ok(())
    })
}

struct Opened {
    listener: TcpListener,
    certificate: Option<Certificate>,
    past: HistoryReader,
    /// The name of this host.
    host: String,
}

fn open(serves: &Serves) -> Result<Opened, NotServed> {
    let certificate = match (&serves.certificate, &serves.key) {
        (Some(certificate), Some(key)) => Some(Certificate::read(certificate, key)?),
        _ => None,
    };
    let listener = listen(serves.listen).map_err(|why| NotServed::Listen { at: serves.listen, why })?;
    let past = Past::start(&serves.state_dir).map_err(NotServed::Past)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Opened { listener, certificate, past, host })
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let until = Instant::now() + TAKEN;
    loop {
        match TcpListener::bind(at) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(AGAIN);
            }
            bound => return bound,
        }
    }
}

fn into_tokio(stream: UnixStream) -> io::Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// How addresses of the site begin.
fn address(site: &Site, at: SocketAddr) -> String {
    let by_name = at.ip().is_unspecified() || !site.has_name(&at.ip().to_string());
    let authority = if by_name { format!("{}:{}", site.host, at.port()) } else { at.to_string() };
    format!("{}://{authority}", site.scheme())
}
