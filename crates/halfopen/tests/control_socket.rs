//! The control socket under a user who may not use it, and under one who may and crowds it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use testkit::desk;

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::desk::mounts::{OWN_USER, changed_for, users};
use testkit::desk::processes::state;
use testkit::desk::{PATIENCE, ask_well, limit, program, until};
use testkit::{Lab, Limiter, require_lab};

/// No user of any host that this runs on.
const USER: &str = "4001";
/// Nor a group of that number.
const ADMINS: u32 = 4002;
const CONNECTIONS: usize = 1_000;
/// Of the flood's kinds of connections, the one that follows events.
const FOLLOWS: usize = 6;
/// root is answered within this, also on a busy machine; behind a thousand who are given up after 5 s each, 64 at a time, it
/// would take a minute.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Ended with the test.
struct Flood {
    child: Child,
    said: Value,
}

impl Flood {
    fn start(limiter: &Limiter, user: &str, kind: Option<usize>) -> Self {
        let mut command = Command::new("python3");
        command.arg(testkit::script("control_flood.py"));
        command.arg(user).arg(limiter.run_directory().join("control.sock")).arg(CONNECTIONS.to_string());
        command.args(kind.map(|kind| kind.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line);
        let flood = Self { child, said: said.unwrap_or_default() };
        assert!(!flood.said.is_null(), "{line}");
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everybody may reach the runtime directory.
fn open_directories(limiter: &Limiter) {
    for directory in limiter.run_directory().ancestors().take(2) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn resident_kib(limiter: &Limiter) -> u64 {
    let state = state(limiter.pid()).unwrap();
    state["VmRSS"].split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_plain_user_does_not_reach_it() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    open_directories(&limiter);
    let flood = Flood::start(&limiter, USER, None);
    assert_eq!(flood.said, json!({"connected": 0, "refused": CONNECTIONS}));
    ask_well(&limiter, &["status"]);
}

/// Where the administrator lets others use it, they cannot keep root from it.
#[test]
fn one_who_may_use_it_cannot_keep_root_from_it() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    open_directories(&limiter);
    let socket = limiter.run_directory().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    for _ in 0..3 {
        ask_well(&limiter, &["status"]);
    }
    let before = resident_kib(&limiter);
    for _ in 0..3 {
        let flood = Flood::start(&limiter, USER, None);
        assert!(flood.said["connected"].as_u64() > Some(100), "{}", flood.said);
        for _ in 0..5 {
            let asked = Instant::now();
            ask_well(&limiter, &["status", "--json"]);
            assert!(asked.elapsed() < AT_ONCE, "root was answered after {:?}", asked.elapsed());
        }
        let descriptors = fs::read_dir(format!("/proc/{}/fd", limiter.pid())).unwrap().count();
        assert!(descriptors < 200, "{descriptors} descriptors");
    }
    let grown = resident_kib(&limiter).saturating_sub(before);
    println!("{before} KiB before, {grown} more");
    assert!(grown < 8 * 1024, "{grown} KiB more than the {before} before");
    until("the user to be served too", PATIENCE, || {
        let mut asking = limiter.command();
        asking.args(["get", "half_open"]);
        let asking = desk::said(&mut asking);
        (asking.out == "3").then_some(())
    });
}

/// The member of the group reads what root reads, and changes nothing unless `admin_group` says so.
#[test]
fn members_of_the_group_read_and_those_of_the_admin_group_write() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let group = directory.path().join("group");
    fs::write(&group, format!("root:x:0:\nhalfopen:x:{OWN_USER}:\nnetadmin:x:{ADMINS}:\n")).unwrap();
    let mounts = users(directory.path(), true) + &format!("\nmount --bind {} /etc/group", group.display());
    let changed = changed_for(directory.path(), &mounts);
    let config = directory.path().join("halfopen.toml");
    fs::write(&config, "admin_group = \"netadmin\"\n").unwrap();
    let limiter = limit(&lab, 3).program(changed).config(&config).start().unwrap();
    open_directories(&limiter);
    let socket = fs::metadata(limiter.run_directory().join("control.sock")).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, OWN_USER));
    let as_user = |groups: &[u32], words: &[&str]| {
        let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
        let mut asking = Command::new("setpriv");
        asking.args(["--reuid", USER, "--regid", USER, "--groups", &groups.join(",")]);
        asking.arg(program()).args(words);
        let asked = limiter.command();
        asking.envs(asked.get_envs().filter_map(|(name, value)| Some((name, value?))));
        desk::said(&mut asking)
    };
    let (nobody, reader, admin) = ([4001], [4001, OWN_USER], [OWN_USER, ADMINS]);
    let told = as_user(&nobody, &["status"]);
    assert!(told.code == Some(3) && told.error.contains("no permission"), "{told:?}");
    for words in [&["status"][..], &["events"], &["get", "half_open"], &["why", "1"]] {
        let told = as_user(&reader, words);
        assert_eq!(told.code, Some(0), "{words:?}: {told:?}");
    }
    for words in [&["set", "half_open", "4"][..], &["enforce", "--for", "1m"], &["release", "--all"]] {
        let told = as_user(&reader, words);
        assert!(told.code != Some(0) && told.error.contains("only root"), "{words:?}: {told:?}");
    }
    assert_eq!(as_user(&admin, &["set", "half_open", "4"]).code, Some(0));
    assert_eq!(ask_well(&limiter, &["get", "half_open"]), "4");
    let told = as_user(&admin, &["exec", "--", "true"]);
    assert!(told.code == Some(3) && told.error.contains("only root may do this"), "{told:?}");
}

/// Those that last, as followers of events, are no more than there is room for.
#[test]
fn followers_without_number_leave_room_for_others() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 3).start().unwrap();
    let flood = Flood::start(&limiter, "0", Some(FOLLOWS));
    let answered = until("root to be answered beside root", PATIENCE, || {
        let asked = Instant::now();
        ask_well(&limiter, &["status"]);
        (asked.elapsed() < AT_ONCE).then_some(asked.elapsed())
    });
    println!("{} connected; answered within {answered:?}", flood.said);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", limiter.pid())).unwrap().count();
    assert!(descriptors < 600, "{descriptors} descriptors");
}
