//! What the privileged helper may touch.

use crate::config::container_sources::ContainerSources;
use crate::runs_in::RuntimeSocket;
use crate::runtime_dir::RuntimeDir;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What the privileged helper may touch. Its command line fixes this, whatever the daemon asks later.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Reach {
    /// The directory of pinned programs
    #[arg(long, value_name = "PATH")]
    pub pins: PathBuf,
    /// The runtime directory
    #[arg(long, value_name = "PATH")]
    pub run_dir: PathBuf,
    /// Whether the runtime directory was made by the daemon
    #[arg(long)]
    pub made_run_dir: bool,
    /// The configuration file
    #[arg(long, value_name = "PATH")]
    pub config: PathBuf,
    /// The parent of the cgroups of `exec`
    #[arg(long, value_name = "PATH")]
    pub exec_parent: PathBuf,
    /// The root of the files of container runtimes
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub containers_root: PathBuf,
    /// A socket of a container runtime
    #[arg(long = "runtime-socket", value_name = "RUNTIME:PATH")]
    pub runtime_sockets: Vec<RuntimeSocket>,
}

impl Reach {
    /// The reach for a daemon with these paths.
    ///
    /// # Errors
    /// If a path is relative and the working directory is gone.
    pub fn new(
        pins: &Path,
        directory: &RuntimeDir,
        made_run_dir: bool,
        config: &Path,
        exec_parent: PathBuf,
        sources: ContainerSources,
    ) -> io::Result<Self> {
        let run_dir = std::path::absolute(directory.path())?;
        let config = std::path::absolute(config)?;
        Ok(Self {
            pins: pins.to_owned(),
            run_dir,
            made_run_dir,
            config,
            exec_parent,
            containers_root: sources.root.unwrap_or_else(|| "/".into()),
            runtime_sockets: sources.sockets,
        })
    }

    /// The arguments that give the helper this reach.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["helper".into(), "--pins".into(), self.pins.clone().into()];
        arguments.extend(["--run-dir".into(), self.run_dir.clone().into()]);
        arguments.extend(["--config".into(), self.config.clone().into()]);
        arguments.extend(["--exec-parent".into(), self.exec_parent.clone().into()]);
        arguments.extend(["--containers-root".into(), self.containers_root.clone().into()]);
        for socket in &self.runtime_sockets {
            arguments.extend(["--runtime-socket".into(), socket.to_string().into()]);
        }
        if self.made_run_dir {
            arguments.push("--made-run-dir".into());
        }
        arguments
    }
}
