//! Programs that ask a DNS server in a lab, and what the limiter says of the answers.

use super::{PATIENCE, ask_well, said, until};
use crate::{Cgroup, Dialer, Family, Host, Lab, Limiter, Mix, Namespace, PORT};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

pub const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/names.py");
/// Of the stub, in the client's namespace.
pub const STUB: &str = "127.0.0.53";

/// Ended with the test.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Waits for the line of its log that says so.
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let server = Self { child, log: Arc::default() };
        assert!(lines.any(|line| line.unwrap().contains(ready)), "{command:?} is not ready");
        let log = server.log.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *log.lock().unwrap() += &(line + "\n"));
        });
        server
    }

    /// What it has said since it was ready.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn dnsmasq(mut in_namespace: Command, arguments: &[String]) -> Self {
        in_namespace.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
        in_namespace.args(["--bind-interfaces", "--user=root", "--pid-file=", "--log-facility=/dev/stdout"]);
        Self::start(in_namespace.args(arguments), "started")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks in a cgroup, by the resolver that a resolv.conf of its own names.
pub fn resolve(namespace: &Namespace, cgroup: &Cgroup, resolv_conf: &Path, name: &str) -> Vec<IpAddr> {
    resolve_after(
        namespace,
        cgroup,
        &format!("mount --bind {} /etc/resolv.conf", resolv_conf.display()),
        name,
    )
}

/// Asks in a cgroup, in a mount namespace of its own with `changes` (shell commands).
pub fn resolve_after(namespace: &Namespace, cgroup: &Cgroup, changes: &str, name: &str) -> Vec<IpAddr> {
    let mut command = namespace.command_in(cgroup, "unshare");
    command.args(["--mount", "--", "sh", "-e", "-c", &format!("{changes}\nexec \"$@\""), "sh"]);
    let said = said(command.args(["python3", CLIENT, "resolve", name]));
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.lines().map(|line| line.parse().unwrap()).collect()
}

pub fn names(limiter: &Limiter) -> Value {
    serde_json::from_str::<Value>(&ask_well(limiter, &["status", "--json"])).unwrap()["names"].clone()
}

/// The ends of the cgroups' paths for which the address is named; `all` for everybody.
pub fn named_for(limiter: &Limiter, address: IpAddr) -> Vec<String> {
    let why = ask_well(limiter, &["why", &address.to_string()]);
    let named = why.lines().filter_map(|line| line.strip_prefix("a DNS answer has named it for "));
    named.map(|whom| whom.split(':').next().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

/// Whether an attempt to there, from a process of that cgroup, is one to a named address.
pub fn attempt_is_named(lab: &Lab, limiter: &Limiter, cgroup: &Cgroup, to: IpAddr) -> bool {
    let dialling =
        Dialer::new(lab).cgroup(cgroup).mapped().destinations([SocketAddr::new(to, PORT)]).spawn().unwrap();
    let told = until("the attempt", PATIENCE, || {
        let told = ask_well(limiter, &["why", &dialling.pid().to_string()]);
        told.lines().find(|line| line.contains(": half-open")).map(ToOwned::to_owned)
    });
    told.contains("(named): half-open")
}

pub struct Scene {
    pub lab: Lab,
    pub directory: tempfile::TempDir,
    pub one: Cgroup,
    pub other: Cgroup,
}

impl Scene {
    pub fn set_up() -> Self {
        let lab = Lab::new().unwrap();
        let (one, other) = (lab.cgroup().child("one").unwrap(), lab.cgroup().child("other").unwrap());
        Self { lab, directory: tempfile::tempdir().unwrap(), one, other }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn dead(&self, count: usize, family: Family) -> Vec<IpAddr> {
        let drawn = self.lab.draw(&Mix { dead: count, family, ..Mix::default() }).unwrap();
        drawn.all().iter().map(|host: &Host| host.address).collect()
    }
}
