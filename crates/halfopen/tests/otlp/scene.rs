//! A daemon that sends events, in its whole sandbox and in the network namespace of the lab's client.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::desk::mounts::as_own_user;
use testkit::desk::processes::child_called;
use testkit::desk::{PATIENCE, ask_well, said, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix};

pub const HERE: &str = "127.0.0.1:4318";

pub struct Scene {
    pub limiter: Limiter,
    pub lab: Lab,
    pub directory: TempDir,
}

impl Scene {
    /// Nobody listens yet where events are sent.
    pub fn new() -> Self {
        Self::with(|_| (format!("http://{HERE}"), String::new()))
    }

    /// `otlp` says the endpoint and what else stands in `[otlp]`; files may be written into the directory.
    pub fn with(otlp: impl FnOnce(&std::path::Path) -> (String, String)) -> Self {
        Self::of("host.half_open = 3\nhost.slot_life = \"5m\"", otlp)
    }

    pub fn of(limits: &str, otlp: impl FnOnce(&std::path::Path) -> (String, String)) -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let program = as_own_user(directory.path());
        let (endpoint, more) = otlp(directory.path());
        // A lab's cgroups lie directly below the root.
        let path = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let text = format!("preset = \"none\"\n{limits}\n[otlp]\nendpoint = \"{endpoint}\"\n{more}\n");
        let config = directory.path().join("halfopen.toml");
        fs::write(&config, text.replace("LAB", &path)).unwrap();
        let limiter = Limiter::builder(&lab).program(program).config(&config).in_client().start().unwrap();
        Self { limiter, lab, directory }
    }

    /// Ten attempts, of which seven wait: an event is due a second later.
    pub fn scan(&self) -> Dialling {
        let dead = self.lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
        let dialling = Dialer::new(&self.lab).destinations(dead.destinations()).spawn().unwrap();
        self.limiter.await_status("seven to wait", PATIENCE, |status| status.host.queued == 7).unwrap();
        dialling
    }

    /// Why events do not reach the collector.
    pub fn degraded(&self) -> Option<String> {
        let status: Value = serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap();
        let mut all = status["degraded"].as_array().unwrap().iter();
        let found = all.find(|found| found["reason"] == "events_not_sent")?;
        Some(found["explanation"].as_str().unwrap().to_owned())
    }

    /// Waits until that has this text in it.
    pub fn await_degraded(&self, text: &str) -> String {
        until(text, PATIENCE, || self.degraded().filter(|why| why.contains(text)))
    }

    /// Waits until nothing is wrong with that.
    pub fn await_well(&self) {
        until("the collector to take events", PATIENCE, || self.degraded().is_none().then_some(()));
    }

    pub fn process(&self) -> u32 {
        until("the process that sends", PATIENCE, || child_called(self.limiter.pid(), "halfopen-otlp"))
    }
}

/// A certificate for 127.0.0.1 that vouches for itself, with its key.
pub fn certificate(place: &std::path::Path) -> PathBuf {
    let file = place.join("certificate.pem");
    // One that may vouch for others would not be taken for the collector's own.
    let config = place.join("openssl.cnf");
    let extensions = "basicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";
    fs::write(&config, format!("[req]\ndistinguished_name = name\n[name]\n[own]\n{extensions}")).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-days", "2", "-subj", "/CN=collector", "-extensions", "own", "-config"]).arg(config);
    openssl.arg("-keyout").arg(place.join("key.pem")).arg("-out").arg(&file);
    let made = said(&mut openssl);
    assert_eq!(made.code, Some(0), "{made:?}");
    file
}
