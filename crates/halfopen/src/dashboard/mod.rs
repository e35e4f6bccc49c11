//! The dashboard: web pages, served by a process of its own. It has no rights but to talk to browsers and to this daemon,
//! and the daemon does for it what [`message::Wanted`] lists, for somebody who is logged in.

mod certificate;
mod connections;
mod guard;
pub mod link;
pub mod message;
mod pages;
mod past;
pub mod process;
mod server;
pub mod serving;
pub mod sessions;
mod visitor;

use crate::config::Resolved;
use crate::runtime_dir::StateDir;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use process::{Call, Dashboard};

/// Where the dashboard is served, and from what.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Serves {
    /// Where browsers find it
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Its certificate; without this, no TLS
    #[arg(long, value_name = "PATH", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, value_name = "PATH", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// The directory of the history
    #[arg(long, value_name = "PATH")]
    pub state_dir: PathBuf,
}

impl Serves {
    /// What the configuration says; `None` if there is to be no dashboard.
    #[must_use]
    pub fn of(resolved: &Resolved, state: &StateDir) -> Option<Self> {
        let dashboard = resolved.dashboard();
        Some(Self {
            listen: dashboard.listen?,
            certificate: dashboard.certificate,
            key: dashboard.key,
            // Its process does not start in this process's directory.
            state_dir: std::path::absolute(state.path()).unwrap_or_else(|_| state.path().to_owned()),
        })
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["dashboard-server".into(), "--listen".into()];
        all.extend([self.listen.to_string().into(), "--state-dir".into(), self.state_dir.clone().into()]);
        for (name, file) in [("--certificate", &self.certificate), ("--key", &self.key)] {
            all.extend(file.iter().flat_map(|file| [OsString::from(name), file.into()]));
        }
        all
    }
}
