//! The privileged helper by itself: what it does for the daemon, and what it refuses it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, send, sendmsg, socketpair,
};
use serde_json::{Value, json};
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use testkit::desk::{PATIENCE, program, said, until};
use testkit::{Lab, require_lab};

/// A privileged helper of this test's own, with the test in the daemon's place.
struct Asked {
    socket: OwnedFd,
    process: Child,
    exec_parent: PathBuf,
}

impl Asked {
    fn start(directory: &Path, exec_parent: &Path) -> Self {
        let (socket, its) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut command = Command::new(program());
        command.args(["helper", "--made-run-dir", "--pins"]).arg(directory.join("pins"));
        command.arg("--run-dir").arg(directory.join("run")).arg("--exec-parent").arg(exec_parent);
        command.arg("--config").arg(directory.join("halfopen.toml"));
        let process = command.stdin(Stdio::from(its)).stderr(Stdio::null()).spawn().unwrap();
        Self { socket, process, exec_parent: exec_parent.to_owned() }
    }

    /// The answer to a request, which has its number.
    fn ask(&self, request: &Value) -> (Value, Vec<OwnedFd>) {
        let number = 4_226;
        let text = json!({"number": number, "message": request}).to_string();
        send(&self.socket, text.as_bytes(), SendFlags::empty()).unwrap();
        let (reply, descriptors) = self.hear();
        assert_eq!(reply["number"], number, "{reply}");
        (reply["message"].clone(), descriptors)
    }

    fn hear(&self) -> (Value, Vec<OwnedFd>) {
        let mut bytes = vec![0; 65_536];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).unwrap();
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors = descriptors.flatten().collect();
        (serde_json::from_slice(&bytes[..read.bytes]).unwrap(), descriptors)
    }

    fn refuses(&self, request: &Value) -> String {
        let (reply, descriptors) = self.ask(request);
        assert!(descriptors.is_empty(), "{request}");
        reply["failed"]["message"].as_str().unwrap_or_else(|| panic!("{request}: {reply}")).to_owned()
    }

    /// Closes the socket and waits for the end.
    fn ended(mut self) -> ExitStatus {
        rustix::net::shutdown(&self.socket, Shutdown::Both).unwrap();
        until("the privileged helper to end", PATIENCE, || self.process.try_wait().unwrap())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn raw_sockets_are_made_in_the_namespace_that_is_named() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let helper = Asked::start(place.path(), &lab.cgroup().path().join("halfopen.exec"));
    let there = fs::metadata(lab.client().path()).unwrap().ino();
    let own = std::process::id();
    for (family, table) in [("v4", "/proc/net/raw"), ("v6", "/proc/net/raw6")] {
        // This process is elsewhere: the namespace is found by its number all the same.
        let request = json!({"raw_socket": {"pid": own, "netns": there, "family": family}});
        let (reply, sockets) = helper.ask(&request);
        assert_eq!((reply, sockets.len()), (json!("raw_socket"), 1));
        let link = fs::read_link(format!("/proc/self/fd/{}", sockets[0].as_raw_fd())).unwrap();
        let inode = link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').to_owned();
        let listed = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().any(|line| line.split_whitespace().any(|field| field == inode))
        };
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net={}", lab.client().path().display())).args(["--", "cat", table]);
        assert!(listed(&mut inside), "{table}");
        assert!(!listed(Command::new("cat").arg(table)), "{table} here");
    }
    let refused = helper.refuses(&json!({"raw_socket": {"pid": own, "netns": 1, "family": "v4"}}));
    assert!(refused.contains("the network namespace 1 "), "{refused}");
}

#[test]
fn it_touches_nothing_but_what_it_was_started_for() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let bystander = lab.cgroup().path().join("exec-1");
    fs::create_dir(&bystander).unwrap();
    let helper = Asked::start(place.path(), &lab.cgroup().path().join("halfopen.exec"));
    for name in ["../exec-1", "..", "", "exec-1/../../exec-1", "/etc", "exec-"] {
        for request in ["make_exec_cgroup", "remove_exec_cgroup"] {
            let refused = helper.refuses(&json!({request: {"name": name}}));
            assert!(refused.contains("not a cgroup of"), "{refused}");
        }
    }
    let (reply, directories) = helper.ask(&json!({"make_exec_cgroup": {"name": "exec-1"}}));
    assert_eq!((reply, directories.len()), (json!("exec_cgroup"), 2));
    assert!(helper.exec_parent.join("exec-1").is_dir());
    assert_eq!(helper.ask(&json!({"remove_exec_cgroup": {"name": "exec-1"}})).0, json!("done"));
    assert!(helper.refuses(&json!("restore")).contains("lacks the iterator"));

    for name in ["pins", "run", "run/lock", "run/control.sock", "pins/links", "kept"] {
        let path = place.path().join(name);
        if name.contains('/') { fs::write(path, "").unwrap() } else { fs::create_dir(path).unwrap() }
    }
    let left = |place: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(place).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(helper.ask(&json!({"tidy_up": {"leave": "limit"}})).0, json!("done"));
    assert_eq!((left(place.path()).len(), left(&place.path().join("run")).len()), (3, 0));
    assert!(helper.exec_parent.is_dir());
    assert_eq!(helper.ask(&json!({"tidy_up": {"leave": {"nothing": {"pins": false}}}})).0, json!("done"));
    assert_eq!(left(place.path()), ["kept", "pins"]);
    assert_eq!(helper.ask(&json!({"tidy_up": {"leave": {"nothing": {"pins": true}}}})).0, json!("done"));
    assert_eq!(left(place.path()), ["kept"]);
    assert!(!helper.exec_parent.exists() && bystander.is_dir());
}

/// It says so and goes on, to its end with the daemon.
#[test]
fn what_is_no_request_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let helper = Asked::start(place.path(), Path::new("/nonexistent"));
    let long = vec![b'a'; 40_000];
    let numbered = br#"{"number":1,"message":{"run":"/bin/sh"}}"#;
    for (sent, why) in [
        (&br#"{"run":"/bin/sh"}"#[..], "malformed message"),
        (numbered, "malformed message"),
        (b"\xff\x00", "malformed message"),
        (&long, "longer than 32768 bytes"),
    ] {
        send(&helper.socket, sent, SendFlags::empty()).unwrap();
        let (reply, descriptors) = helper.hear();
        let told = reply["message"]["failed"]["message"].as_str().unwrap_or_else(|| panic!("{reply}"));
        assert!(told.contains(why) && reply["number"] == 0 && descriptors.is_empty(), "{reply}");
    }
    let descriptors = [helper.socket.as_fd(); 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(&helper.socket, &[IoSlice::new(numbered)], &mut control, SendFlags::empty()).unwrap();
    assert!(helper.hear().0["message"]["failed"]["message"].as_str().unwrap().contains("descriptors"));
    let comm = "x".repeat(61);
    let refused = helper.refuses(&json!({"identify": {"pid": 1, "uid": 0, "comm": comm, "cgroup_id": 1}}));
    assert!(refused.contains("at most 60 bytes, not 61"), "{refused}");
    let refused = helper.refuses(&json!({"open": {"path": "/\u{1}".repeat(1_000)}}));
    assert!(refused.len() < 600 && refused.ends_with(" bytes more]"), "bounded and escaped: {refused}");
    assert_eq!(helper.ended().code(), Some(0), "it ends with the daemon");
}

#[test]
fn it_asks_the_name_service_for_names_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let helper = Asked::start(place.path(), Path::new("/nonexistent"));
    let number = |name: &str| helper.ask(&json!({"user_number": {"name": name}})).0;
    assert_eq!(number("root"), json!({"user_number": {"number": 0}}));
    for nobody in ["-s", "--help", "no such user", "../root", "$(id)"] {
        assert_eq!(number(nobody), json!({"user_number": {"number": null}}), "{nobody}");
    }
    for name in ["", "0", "root:x", "root\n", "a\0b", &"a".repeat(257)] {
        let refused = helper.refuses(&json!({"user_number": {"name": name}}));
        assert!(refused.contains("no user can have this name"), "{name:?}: {refused}");
    }
    assert_eq!(helper.ended().code(), Some(0));
}

#[test]
fn it_opens_the_configuration_and_no_other_file() {
    let place = tempfile::tempdir().unwrap();
    let helper = Asked::start(place.path(), Path::new("/nonexistent"));
    let conf_d = place.path().join("conf.d");
    fs::create_dir(&conf_d).unwrap();
    for name in ["90-local.toml", ".unfinished.toml", "key.pem"] {
        fs::write(conf_d.join(name), name).unwrap();
    }
    let local = conf_d.join("90-local.toml");
    assert_eq!(helper.ask(&json!("list_conf_d")).0, json!({"listed": {"paths": [local]}}));
    let (reply, files) = helper.ask(&json!({"open": {"path": local}}));
    assert_eq!((reply, files.len()), (json!("opened"), 1));
    let mut file = fs::File::from(files.into_iter().next().unwrap());
    assert_eq!(std::io::read_to_string(&mut file).unwrap(), "90-local.toml");
    assert!(std::io::Write::write_all(&mut file, b"more").is_err(), "it is for reading");
    for path in ["/etc/shadow", "../shadow", ""] {
        let refused = helper.refuses(&json!({"open": {"path": path}}));
        assert!(refused.contains("not part of the configuration"), "{refused}");
    }
    assert!(helper.refuses(&json!({"open": {"path": conf_d.join("key.pem")}})).contains("not part of"));
}

#[test]
fn it_is_not_a_command_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    command.args(["helper", "--pins", "/nonexistent", "--run-dir"]).arg(place.path());
    let told = said(command.args(["--exec-parent", "/nonexistent", "--config", "/nonexistent"]));
    assert_eq!(told.code, Some(2), "{told:?}");
    let help = said(Command::new(program()).arg("--help"));
    assert!(!help.out.contains("helper"), "{}", help.out);
}
