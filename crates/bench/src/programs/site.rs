//! Web sites: one server at many names, each with an address of its own.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;
use testkit::page::{WEB, web_server};
use testkit::{Cgroup, HostKind, Lab, Mix, Names, Record, Service};

/// Names at live addresses, with a directory for what is served there.
pub struct Site<'a> {
    lab: &'a Lab,
    pub directory: TempDir,
    pub names: Names,
    records: Vec<Record>,
    _web: Service,
}

impl<'a> Site<'a> {
    /// Serves the files that `fill` puts into its directory under `hosts` names.
    pub fn serve(lab: &'a Lab, hosts: usize, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let directory = tempfile::tempdir().context("making a directory for a site")?;
        let root = directory.path().join("root");
        std::fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
        fill(&root)?;
        let live = lab.draw(&Mix { live: hosts, ..Mix::default() })?.of(HostKind::Live);
        let record = |(number, place): (usize, &std::net::SocketAddr)| Record {
            name: name(number),
            address: place.ip(),
        };
        let records: Vec<_> = live.iter().enumerate().map(record).collect();
        let names = Names::serve(lab, &records)?;
        let web = web_server(lab, directory.path(), WEB)?;
        Ok(Self { lab, directory, names, records, _web: web })
    }

    /// Where its names are.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.records.iter().map(|record| record.address).collect()
    }

    /// The place of `file` at each name.
    pub fn places(&self, file: &str) -> Vec<String> {
        self.records.iter().map(|record| format!("http://{}:{WEB}/{file}", record.name)).collect()
    }

    /// A command that asks for its names, with a home of its own.
    pub fn command(&self, cgroup: &Cgroup, program: &str) -> Command {
        let mut command = self.names.command_in(self.lab, cgroup, program);
        command.current_dir(self.directory.path()).env("HOME", self.directory.path());
        command
    }
}

/// The name of host number `number`.
pub fn name(number: usize) -> String {
    format!("site-{number:02}.example")
}

/// Runs a command that prepares something, to its end.
pub fn prepare(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
