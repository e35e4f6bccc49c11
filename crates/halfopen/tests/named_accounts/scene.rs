//! A limiter with an account for each cgroup below the lab's, and programs in them.

use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use testkit::desk::{PATIENCE, ask_well, program, until};
use testkit::rig::program::Program;
use testkit::{Cgroup, HostKind, Lab, Limiter, Mix};

/// Fewer than are dialled.
pub const CREDIT: usize = 8;
/// Enough for the silences that make a suspect.
pub const MUCH_CREDIT: usize = 50;

/// A limiter with an account for each cgroup below the lab's. Ended before the lab is.
pub struct Host {
    pub limiter: Limiter,
    _directory: tempfile::TempDir,
    pub lab: Lab,
}

impl Host {
    /// `CGROUP` in `more` stands for the lab's.
    pub fn new(credit: usize, more: &str) -> Self {
        Self::started(credit, more, false)
    }

    pub fn started(credit: usize, more: &str, persist: bool) -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        let text = format!(
            "preset = \"none\"\n{more}\n[[scope]]\nname = \"each\"\nmatch = {{ cgroup = \"{}/*\" }}\nper = \"cgroup\"\n\
             first_contacts = {credit}\n",
            path_of(lab.cgroup())
        );
        fs::write(&config, text.replace("CGROUP", &path_of(lab.cgroup()))).unwrap();
        let builder = Limiter::builder(&lab).program(program()).config(&config);
        let builder = if persist { builder.persist() } else { builder };
        let limiter = builder.start().unwrap();
        Self { limiter, _directory: directory, lab }
    }

    pub fn draw(&self, kind: HostKind, count: usize, port: u16) -> Vec<SocketAddr> {
        let mix = match kind {
            HostKind::Live => Mix { live: count, ..Mix::default() },
            _ => Mix { dead: count, ..Mix::default() },
        };
        let drawn = self.lab.draw(&mix).unwrap().of(kind);
        let of_port = |to: SocketAddr| if kind == HostKind::Live { to } else { (to.ip(), port).into() };
        drawn.into_iter().map(of_port).collect()
    }

    pub fn inspect(&self, whom: &str) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, &["inspect", "--json", whom])).unwrap()
    }

    pub fn until_suspect(&self, name: &str) {
        until("event 4227", PATIENCE, || {
            let account = &self.inspect(name)["accounts"][0];
            account["events"].as_array().unwrap().iter().any(|event| event["id"] == 4227).then_some(())
        });
    }
}

/// A lab's cgroups lie directly below the root.
pub fn path_of(cgroup: &Cgroup) -> String {
    format!("/{}", cgroup.path().file_name().unwrap().to_str().unwrap())
}

/// Its last argument clears a terminal.
pub fn scanner(host: &Host, cgroup: &Cgroup) -> Program {
    Program::start(host.lab.client(), cgroup, "accounts.py", &["\x1b[2J".to_owned()])
}

pub fn dial(program: &mut Program, to: &[SocketAddr]) {
    for to in to {
        program.tell(&json!({ "dial": [to.ip().to_string(), to.port()] }));
        program.hear(PATIENCE);
    }
}

/// The name of the account of this cgroup of the lab.
pub fn account(host: &Host, cgroup: &str) -> String {
    format!("each[{}/{cgroup}]", path_of(host.lab.cgroup()))
}
