//! Programs of somebody else (`programs/*.bpf.c`), compiled, loaded and attached.

use crate::{Cgroup, Namespace, script};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What it does; the words of the C source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Nothing = 0,
    RepliesToAll = 1,
    ReplacesFlags = 2,
    SetsFirstTimer = 3,
    ReturnsZero = 4,
    ClearsFlags = 5,
    CountsEnds = 6,
}

/// Whom it lets beside it on its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// `BPF_F_ALLOW_MULTI`
    BesideOthers,
    /// No flag.
    Exclusively,
}

/// Attaches it to `cgroup`, where it stays as long as that is there.
pub fn attach(does: Does, cgroup: &Cgroup, attached: Attached) {
    attach_and_pin_maps(does, cgroup, attached, None);
}

fn attach_and_pin_maps(does: Does, cgroup: &Cgroup, attached: Attached, maps: Option<&Pin>) {
    let directory = tempfile::tempdir().unwrap();
    let object = compile("other.bpf.c", &format!("DOES={}", does as u32), directory.path());
    let pin = Pin::fresh();
    let mut load = Command::new("bpftool");
    load.args(["prog", "load"]).arg(object).arg(&pin.0);
    if let Some(maps) = maps {
        load.arg("pinmaps").arg(&maps.0);
    }
    run(&mut load);
    let mut attach = Command::new("bpftool");
    attach.args(["cgroup", "attach"]).arg(cgroup.path()).args(["sock_ops", "pinned"]).arg(&pin.0);
    if attached == Attached::BesideOthers {
        attach.arg("multi");
    }
    run(&mut attach);
}

/// What one that `CountsEnds` has counted.
pub struct Ends(Pin);

impl Ends {
    /// How many connections that began since it was attached have left ESTABLISHED.
    pub fn count(&self) -> u64 {
        let mut lookup = Command::new("bpftool");
        lookup.args(["-j", "map", "lookup", "pinned"]).arg(self.0.0.join("ends"));
        let output = lookup.args(["key", "0", "0", "0", "0"]).output().unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        found["formatted"]["value"].as_u64().unwrap()
    }
}

/// Attaches one that `CountsEnds` to `cgroup`, beside others; it stays as long as that is there.
pub fn attach_counting(cgroup: &Cgroup) -> Ends {
    let maps = Pin::fresh();
    attach_and_pin_maps(Does::CountsEnds, cgroup, Attached::BesideOthers, Some(&maps));
    Ends(maps)
}

/// Attaches programs to `cgroup` that drop what goes to and comes from `denied` (`programs/deny.bpf.c`), beside
/// others on every hook that the limiter is on. They stay as long as the cgroup.
pub fn attach_deny(denied: Ipv4Addr, cgroup: &Cgroup) {
    let directory = tempfile::tempdir().unwrap();
    let define = format!("DENIED=0x{:08x}u", u32::from_ne_bytes(denied.octets()));
    let object = compile("deny.bpf.c", &define, directory.path());
    let pins = Pin::fresh();
    run(Command::new("bpftool").args(["prog", "loadall"]).arg(object).arg(&pins.0));
    for (hook, program) in [
        ("egress", "deny_egress"),
        ("ingress", "deny_ingress"),
        ("connect4", "deny_connect4"),
        ("connect6", "deny_connect6"),
        ("getsockopt", "deny_getsockopt"),
        ("setsockopt", "deny_setsockopt"),
        ("sock_ops", "deny_sock_ops"),
    ] {
        let mut attach = Command::new("bpftool");
        attach.args(["cgroup", "attach"]).arg(cgroup.path()).args([hook, "pinned"]);
        run(attach.arg(pins.0.join(program)).arg("multi"));
    }
}

/// Which callbacks are on for each established connection of that namespace (`programs/callbacks.bpf.c`).
pub fn callbacks_on(namespace: &Namespace) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let object = compile("callbacks.bpf.c", "ITERATES", directory.path());
    let pin = Pin::fresh();
    run(Command::new("bpftool").args(["iter", "pin"]).arg(object).arg(&pin.0));
    namespace.run(|| fs::read(&pin.0)).unwrap().unwrap()
}

fn compile(source: &str, define: &str, directory: &Path) -> PathBuf {
    let object = directory.join("other.o");
    // Debian keeps asm/types.h apart by architecture.
    let multiarch = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let mut clang = Command::new(std::env::var_os("CLANG").unwrap_or("clang".into()));
    clang.args(["-O2", "-g", "-target", "bpf", "-Wall", "-Werror", &multiarch]);
    run(clang.arg(format!("-D{define}")).arg("-c").arg(script(source)).arg("-o").arg(&object));
    object
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A name in the bpf file system, for the moment between loading and attaching.
struct Pin(PathBuf);

impl Pin {
    fn fresh() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("/sys/fs/bpf/halfopen-test-{}-{number}", std::process::id()).into())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It is not there if loading failed; it is a directory for several programs.
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir_all(&self.0));
    }
}
