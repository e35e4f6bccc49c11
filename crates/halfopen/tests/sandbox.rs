//! What a process that sandboxes itself as the daemon does, or as that of the dashboard, can no longer do, tried for real, call by call: once as a user
//! of its own and once as root's number without capabilities, where nothing but the sandbox stands in the way.
//!
//! A program and no test of the harness: that has threads, and sandbox is for a process with one.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::sandbox::{Needs, enter, enter_as_dashboard};
use halfopen_bpf::{CgroupDir, Limiter, NameTrust, Settings};
use halfopen_policy::{Forwarded, Limits, Mode, RawTcp};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use rustix::fs::{Mode as FileMode, chmod, unlink};
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SocketType, ipproto, socket};
use rustix::process::{Pid, PidfdFlags, chroot, getppid, pidfd_open, test_kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_uid};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use testkit::Lab;
use testkit::desk::mounts::{OWN_USER, users};

/// What came of one attempt.
#[derive(Debug, Serialize, Deserialize)]
struct Tried {
    what: String,
    error: Option<String>,
}

/// What must still work for the daemon; everything else that is tried must not, and nothing for the dashboard.
const KEPT: [&str; 3] = ["read a map", "write a map", "talk to the log"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--sandboxed") {
        Some(at) => sandboxed(Path::new(&arguments[at + 1]), &arguments[at + 2], &arguments[at + 3]),
        None if arguments.iter().any(|argument| argument == "--list") => {}
        None => return tests(),
    }
    ExitCode::SUCCESS
}

fn tests() -> ExitCode {
    if !Lab::required(Lab::available()) {
        return ExitCode::SUCCESS;
    }
    let mut failed = false;
    for (name, uid, part) in [
        ("as_a_user_of_its_own", OWN_USER, DAEMON),
        ("as_root_s_number_without_capabilities", 0, DAEMON),
        ("the_dashboard_as_a_user", OWN_USER, DASHBOARD),
        ("the_dashboard_as_root_s_number", 0, DASHBOARD),
    ] {
        let wrong = run(uid, part);
        println!("test {name} ... {}", if wrong.is_empty() { "ok" } else { "FAILED" });
        for line in &wrong {
            println!("    {line}");
        }
        failed |= !wrong.is_empty();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

const DAEMON: &str = "daemon";
const DASHBOARD: &str = "dashboard";

/// Has a process sandbox itself as `part` and as `uid`, and try everything; what was not as it must be.
fn run(uid: u32, part: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let change = users(directory.path(), uid != 0);
    fs::write(directory.path().join("halfopen.toml"), "preset = \"xp-sp2\"\n").unwrap();
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let script = format!("{change}; exec \"$0\" \"$@\"");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--", "sh", "-e", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg("--sandboxed")
        .arg(directory.path())
        .arg(listener.local_addr().unwrap().to_string())
        .arg(part)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let mut lines = told.lines();
    let mut wrong = Vec::new();
    let now = lines.next().unwrap_or_default();
    if now != format!("uid {uid}") {
        wrong.push(format!("expected uid {uid}: {now:?}; {}", String::from_utf8_lossy(&output.stderr)));
    }
    let tried: Vec<Tried> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    if tried.len() < 25 || !output.status.success() {
        wrong.push(format!("only {} things were tried: {output:?}", tried.len()));
    }
    for Tried { what, error } in tried {
        match (part == DAEMON && KEPT.contains(&what.as_str()), error) {
            (true, Some(error)) => wrong.push(format!("{what}: {error}")),
            (false, None) => wrong.push(format!("{what}: it could")),
            _ => {}
        }
    }
    wrong
}

fn sandboxed(directory: &Path, listener: &str, part: &str) {
    let namespace = File::open("/proc/self/ns/net").unwrap();
    let cgroup = CgroupDir::root().unwrap();
    let map = new_map().unwrap();
    let parent = getppid().unwrap();
    let log = UnixDatagram::bind(directory.join("log")).unwrap();
    chmod(directory.join("log"), FileMode::from_raw_mode(0o666)).unwrap();
    let sandboxed = if part == DAEMON { enter(&Needs::of_daemon()) } else { enter_as_dashboard() };
    let sandboxed = sandboxed.unwrap();
    println!("uid {}", sandboxed.uid);

    kept(directory, &map);
    drop(log);
    files(directory, parent);
    kernel(&cgroup, &namespace, &map);
    others(listener, parent);
}

fn kept(directory: &Path, map: &MapHandle) {
    tell("write a map", map.update(&[0; 4], &[7; 8], MapFlags::ANY));
    tell("read a map", map.lookup(&[0; 4], MapFlags::ANY));
    let send = || {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(b"said", directory.join("log"))
    };
    tell("talk to the log", send());
}

fn files(directory: &Path, parent: Pid) {
    let config = directory.join("halfopen.toml");
    tell("read the configuration", fs::read(&config));
    tell("read /etc/shadow", fs::read("/etc/shadow"));
    tell("read what everybody may", fs::read("/proc/version"));
    tell("list /etc", fs::read_dir("/etc"));
    tell("read its own environment", fs::read("/proc/self/environ"));
    tell("read its parent's memory", File::open(format!("/proc/{}/mem", parent.as_raw_nonzero())));
    tell("write the configuration", fs::OpenOptions::new().append(true).open(&config));
    tell("make a file", File::create(directory.join("new")));
    tell("make a directory", fs::create_dir(directory.join("made")));
    tell("remove a file", unlink(&config));
    tell("rename a file", fs::rename(&config, directory.join("other")));
    tell("make a file everybody's", chmod(&config, FileMode::from_raw_mode(0o777)));
    tell("make a socket file", UnixListener::bind(directory.join("socket")));
}

fn kernel(cgroup: &CgroupDir, namespace: &File, map: &MapHandle) {
    // Needs no capability, so only the list of calls stands against it.
    tell("freeze a map", map.freeze());
    let settings = Settings {
        mode: Mode::Audit,
        raw_tcp: RawTcp::Allow,
        forwarded: Forwarded::Allow,
        wakeups: false,
        records: Settings::RECORDS,
        exempt: Vec::new(),
        never_hold: Vec::new(),
        enforce_until: None,
        host: Limits::xp_sp2(),
        scopes: Vec::new(),
        interfaces: Vec::new(),
        deny: Vec::new(),
        known_for: Duration::ZERO,
        names: NameTrust::Off,
        names_for: Duration::ZERO,
    };
    tell("load the kernel part", Limiter::start(cgroup, &settings, None).map_err(|e| e.in_full()));
    tell("make a map", new_map());
    tell("open a map by its number", any_map());
    tell("mount", mount("none", "/mnt", "tmpfs", MountFlags::empty(), None));
    tell("change the root", chroot("/mnt"));
    tell("enter a namespace", move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)));
    tell("become root again", set_thread_uid(rustix::process::Uid::ROOT));
    let all = rustix::thread::CapabilitySet::SYS_ADMIN;
    let sets = rustix::thread::CapabilitySets { effective: all, permitted: all, inheritable: all };
    tell("take a capability back", rustix::thread::set_capabilities(None, sets));
}

fn others(listener: &str, parent: Pid) {
    tell("connect by TCP", TcpStream::connect(listener));
    tell("listen on TCP", TcpListener::bind("127.0.0.1:0"));
    tell("send by UDP", UdpSocket::bind("127.0.0.1:0"));
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW));
    tell("make a raw socket", raw);
    tell("signal its parent", test_kill_process(parent));
    tell("hold its parent", pidfd_open(parent, PidfdFlags::empty()));
    tell("start a program", Command::new("/bin/true").status());
    tell("start a thread", std::thread::Builder::new().spawn(|| {}));
}

fn new_map() -> Result<MapHandle, libbpf_rs::Error> {
    let options = libbpf_rs::libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_rs::libbpf_sys::bpf_map_create_opts>() as u64,
        ..Default::default()
    };
    MapHandle::create(MapType::Array, Some("halfopen_test"), 4, 8, 1, &options)
}

fn any_map() -> Result<MapHandle, libbpf_rs::Error> {
    (1..100_000)
        .find_map(|id| MapHandle::from_map_id(id).ok())
        .ok_or_else(|| libbpf_rs::Error::from_raw_os_error(rustix::io::Errno::PERM.raw_os_error()))
}

fn tell<T, E: ToString>(what: &str, outcome: Result<T, E>) {
    let tried = Tried { what: what.to_owned(), error: outcome.err().map(|error| error.to_string()) };
    println!("{}", serde_json::to_string(&tried).unwrap());
}
