//! A daemon that has the files and sockets of container runtimes, and programs in cgroups as the runtimes name them.

use serde_json::Value;
use std::fs;
use std::path::Path;
use testkit::desk::{ask_well, program};
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix};

/// Fewer than are dialled.
const CREDIT: usize = 2;

/// A limiter with an account for each cgroup at the second level, and the files and sockets of container runtimes.
pub struct Scene {
    pub limiter: Limiter,
    pub lab: Lab,
    _host: tempfile::TempDir,
}

impl Scene {
    pub fn new(prepare: impl FnOnce(&Path), sockets: &[String]) -> Self {
        let (lab, host) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        prepare(host.path());
        let config = host.path().join("halfopen.toml");
        let path = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let text = format!(
            "preset = \"none\"\n[containers]\nroot = \"{}\"\nsockets = {sockets:?}\n[[scope]]\nname = \"each\"\n\
             match = {{ cgroup = \"{path}/*\" }}\nper = \"cgroup\"\nfirst_contacts = {CREDIT}\n",
            host.path().display()
        );
        fs::write(&config, text).unwrap();
        let limiter = Limiter::builder(&lab).program(program()).config(&config).start().unwrap();
        Self { limiter, lab, _host: host }
    }

    /// Dials more from this cgroup than its account has credit for.
    pub fn dial(&self, cgroup: &Cgroup) -> Dialling {
        let dead = self.lab.draw(&Mix { dead: 20, ..Mix::default() }).unwrap().destinations();
        Dialer::new(&self.lab).cgroup(cgroup).destinations(dead).spawn().unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, arguments)).unwrap()
    }

    /// The account of this cgroup in `status`.
    pub fn account(&self, cgroup: &str) -> Option<Value> {
        let status = self.json(&["status", "--json"]);
        let found = status["scopes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|scope| scope["name"].as_str().unwrap().ends_with(&format!("/{cgroup}]")));
        found.cloned()
    }
}
