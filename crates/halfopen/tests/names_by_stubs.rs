//! Names by the resolvers that hosts run for their programs: unbound, systemd-resolved's stub, nss-resolve.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod desk;

use desk::mounts::changed_for;
use desk::names::{CLIENT, STUB, Scene, Server, attempt_is_named, named_for, names, resolve, resolve_after};
use desk::{ask_well, has, program, said};
use halfopen_lab::{Cgroup, Family, Lab, Limiter, Namespace, Service, Skip, require_lab};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const SERVER: &str = "10.77.0.2";
/// Of the server that is asked as an authority.
const AUTHORITY: &str = "fd77::2";
/// Where `tools/packages test` unpacks what it must not install.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs");
const USER: &str = "systemd-resolve";

/// A file of a package: the system's, else the unpacked one. If there is none, the test is noted as skipped.
fn find(package: &'static str, program: &'static str, places: &[String]) -> Option<PathBuf> {
    let roots = [PathBuf::from("/"), Path::new(UNPACKED).join(package)];
    let mut all = roots.iter().flat_map(|root| places.iter().map(move |place| root.join(place)));
    let found = all.find(|path| path.is_file());
    let available = if found.is_some() { Ok(()) } else { Err(Skip::NotUnpacked { program, package }) };
    if Lab::required(available) { found } else { None }
}

/// Where Debian keeps libraries.
fn libraries() -> String {
    format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH)
}

/// Whether the stub answers a question that the client's host, though none of the limited programs, asks.
fn answers(namespace: &Namespace) -> bool {
    said(namespace.command("python3").args([CLIENT, "ask", STUB, "ready.test"])).out == "ready.test 1"
}

fn server(scene: &Scene, records: &[String]) -> Server {
    let mut arguments = vec![
        format!("--listen-address={SERVER}"),
        "--local=/test/".to_owned(),
        "--local-ttl=300".to_owned(),
        "--log-queries".to_owned(),
        "--cname=near.test,mid.test".to_owned(),
        "--cname=mid.test,far.test".to_owned(),
    ];
    arguments.extend(records.iter().map(|record| format!("--host-record={record}")));
    Server::dnsmasq(scene.lab.world().command("dnsmasq"), &arguments)
}

fn whose(limiter: &Limiter, address: IpAddr) -> Vec<String> {
    let mut whose = named_for(limiter, address);
    whose.sort();
    whose
}

/// How many answers were read, and how many addresses these named; nothing else has become of any.
fn read_and_named(limiter: &Limiter) -> (u64, u64) {
    let names = names(limiter);
    let refused = names["refused"].as_object().unwrap();
    assert!(refused.values().all(|count| *count == 0), "{names}");
    assert_eq!(names["not_stored"], 0, "{names}");
    (names["answers_read"].as_u64().unwrap(), names["addresses_named"].as_u64().unwrap())
}

/// A cache that forwards, but asks the authority of `zone` itself, showing it no more of a name than it must.
fn unbound(scene: &Scene, program: &Path, cgroup: &Cgroup) -> Service {
    let mut text = String::from("server:\n");
    let directory = scene.directory.path().display();
    for setting in [
        format!("interface: {STUB}"),
        format!("directory: {directory}"),
        "do-daemonize: no\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no".to_owned(),
        "module-config: iterator\n use-caps-for-id: yes\n qname-minimisation: yes".to_owned(),
        "local-zone: test. nodefault".to_owned(),
    ] {
        writeln!(text, " {setting}").unwrap();
    }
    text += "remote-control:\n control-enable: no\n";
    writeln!(text, "forward-zone:\n name: .\n forward-addr: {SERVER}").unwrap();
    writeln!(text, "stub-zone:\n name: zone.\n stub-addr: {AUTHORITY}").unwrap();
    let configuration = scene.file("unbound.conf", &text);
    let mut command = scene.lab.client().command_in(cgroup, program);
    command.args(["-d", "-p", "-c"]).arg(configuration);
    Service::start(&mut command, || answers(scene.lab.client())).unwrap()
}

#[test]
fn unbound_asks_as_it_likes_and_each_client_is_told_its_names() {
    require_lab!();
    let places = ["usr/sbin/unbound".to_owned()];
    let Some(program_of_unbound) = find("unbound", "unbound", &places) else { return };
    if !has("dnsmasq", "dnsmasq-base") {
        return;
    }
    let scene = Scene::new();
    let (v4, v6) = (scene.dead(5, Family::V4), scene.dead(1, Family::V6));
    let records = [
        format!("far.test,{},{}", v4[0], v6[0]),
        format!("second.test,{}", v4[1]),
        format!("third.test,{}", v4[2]),
    ];
    let forwarded = server(&scene, &records);
    let authority = [
        format!("--listen-address={AUTHORITY}"),
        format!("--auth-server=ns.zone,{AUTHORITY}"),
        "--auth-zone=zone,198.18.0.0/15".to_owned(),
        format!("--host-record=www.deep.zone,{}", v4[3]),
        format!("--host-record=www.deeper.zone,{}", v4[4]),
        "--log-queries".to_owned(),
    ];
    let authority = Server::dnsmasq(scene.lab.world().command("dnsmasq"), &authority);
    let stub_cgroup = scene.lab.cgroup().child("stub").unwrap();
    let _unbound = unbound(&scene, &program_of_unbound, &stub_cgroup);

    let by_stub = scene.file("resolv.conf", &format!("nameserver {STUB}\n"));
    let changed =
        changed_for(scene.directory.path(), &format!("mount --bind {} /etc/resolv.conf", by_stub.display()));
    let builder = Limiter::builder(&scene.lab).program(changed).own_mounts(program());
    let limiter = builder.set("names", "client").start().unwrap();
    let (one, other) = (&scene.one, &scene.other);
    let resolved = |cgroup: &Cgroup, name: &str| {
        let mut told = resolve(scene.lab.client(), cgroup, &by_stub, name);
        told.sort();
        told
    };

    assert_eq!(resolved(one, "near.test"), [v4[0], v6[0]]);
    assert_eq!(resolved(one, "www.deep.zone"), [v4[3]]);
    for address in [v4[0], v6[0], v4[3]] {
        assert_eq!(whose(&limiter, address), ["one"]);
    }
    for address in [v4[0], v4[3]] {
        assert!(attempt_is_named(&scene.lab, &limiter, one, address));
        assert!(!attempt_is_named(&scene.lab, &limiter, other, address));
    }
    let asked = forwarded.log().lines().count();
    assert_eq!(resolved(other, "near.test"), [v4[0], v6[0]]);
    assert_eq!(forwarded.log().lines().count(), asked, "from the cache:\n{}", forwarded.log());
    assert_eq!(whose(&limiter, v4[0]), ["one", "other"]);
    assert_eq!(read_and_named(&limiter), (6, 5), "A and AAAA of each name, and nothing that unbound asked");

    // Now what it asks is read too.
    ask_well(&limiter, &["set", "resolvers", &format!("system,{SERVER},{AUTHORITY}")]);
    assert_eq!(resolved(one, "second.test"), [v4[1]]);
    assert_eq!(resolved(one, "www.deeper.zone"), [v4[4]]);
    for address in [v4[1], v4[4]] {
        assert_eq!(whose(&limiter, address), ["one", "stub"]);
    }
    let (read, named) = read_and_named(&limiter);
    assert_eq!(named, 5 + 4);
    assert!(read >= 6 + 8, "A and AAAA of each name, by both: {read}");

    ask_well(&limiter, &["set", "names", "host"]);
    assert_eq!(resolved(one, "third.test"), [v4[2]]);
    assert_eq!(whose(&limiter, v4[2]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, other, v4[2]));
    read_and_named(&limiter);

    let minimised = |line: &str| line.to_lowercase().contains("auth[a] deeper.zone from");
    assert!(authority.log().lines().any(minimised), "{}", authority.log());
    let played = |line: &str| line.contains("query[A] ") && !line.contains("second.test");
    let second: Vec<String> = forwarded
        .log()
        .lines()
        .filter(|line| line.to_lowercase().contains("second.test"))
        .map(Into::into)
        .collect();
    assert!(second.iter().any(|line| played(line)), "in capitals and small letters: {second:?}");
}

/// systemd-resolved and what it shows to others: the directory /run/systemd/resolve.
struct Resolved {
    shown: PathBuf,
    _service: Service,
}

impl Resolved {
    fn start(scene: &Scene, program: &Path, cgroup: &Cgroup) -> Self {
        let shown = scene.directory.path().join("shown");
        fs::create_dir(&shown).unwrap();
        let mut users = fs::read_to_string("/etc/passwd").unwrap();
        if !users.lines().any(|line| line.starts_with(&format!("{USER}:"))) {
            writeln!(users, "{USER}:x:4227:4227::/:/bin/false").unwrap();
        }
        let users = scene.file("passwd", &users);
        let settings =
            format!("[Resolve]\nDNS={SERVER}\nFallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no\n");
        let settings = scene.file("resolved.conf", &settings);
        let script = [
            Self::seen(&shown),
            format!("mount --bind {} /etc/passwd", users.display()),
            format!("chown {USER}: /run/systemd/resolve"),
            "mount -t tmpfs none /etc/systemd".to_owned(),
            format!("cp {} /etc/systemd/resolved.conf", settings.display()),
            "exec \"$0\"".to_owned(),
        ];
        let mut command = scene.lab.client().command_in(cgroup, "unshare");
        command.args(["--mount", "--", "sh", "-e", "-c", &script.join("\n")]).arg(program);
        let own_libraries = Path::new(UNPACKED).join(PACKAGE_OF_RESOLVED).join(libraries()).join("systemd");
        if program.starts_with(UNPACKED) {
            command.env("LD_LIBRARY_PATH", own_libraries);
        }
        command.env("SYSTEMD_LOG_TARGET", "console");
        let service = Service::start(&mut command, || answers(scene.lab.client())).unwrap();
        Self { shown, _service: service }
    }

    /// The change (shell commands) that shows it, and nothing else below /run.
    fn seen(shown: &Path) -> String {
        let shown = shown.display();
        format!(
            "mount -t tmpfs -o mode=755 none /run\nmkdir -p /run/systemd/resolve\nmount --bind {shown} /run/systemd/resolve"
        )
    }

    /// A limiter on a host that has it: /etc/resolv.conf names the stub.
    fn limiter(&self, scene: &Scene, nsswitch: &Path) -> Limiter {
        let changes = [
            Self::seen(&self.shown),
            "mount --bind /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf".to_owned(),
            format!("mount --bind {} /etc/nsswitch.conf", nsswitch.display()),
        ];
        let changed = changed_for(scene.directory.path(), &changes.join("\n"));
        let builder = Limiter::builder(&scene.lab).program(changed).own_mounts(program());
        let limiter = builder.set("names", "client").start().unwrap();
        assert_eq!(names(&limiter)["resolvers"], json!([SERVER, STUB]), "those of both of its files");
        limiter
    }
}

const PACKAGE_OF_RESOLVED: &str = "systemd-resolved";

fn find_resolved() -> Option<PathBuf> {
    let places = ["lib", "usr/lib"].map(|lib| format!("{lib}/systemd/systemd-resolved"));
    find(PACKAGE_OF_RESOLVED, "systemd-resolved", &places)
}

/// Whether it says that programs of this host ask past the stub.
fn is_said(limiter: &Limiter) -> bool {
    let status: Value = serde_json::from_str(&ask_well(limiter, &["status", "--json"])).unwrap();
    let degraded = status["degraded"].as_array().unwrap();
    degraded.iter().any(|found| found["reason"] == "names_asked_by_others")
}

#[test]
fn systemd_resolved_s_stub_tells_each_client_its_names() {
    require_lab!();
    let Some(program_of_resolved) = find_resolved() else { return };
    if !has("dnsmasq", "dnsmasq-base") {
        return;
    }
    let scene = Scene::new();
    let (v4, v6) = (scene.dead(2, Family::V4), scene.dead(1, Family::V6));
    let records = [format!("far.test,{},{}", v4[0], v6[0]), format!("second.test,{}", v4[1])];
    let asked = server(&scene, &records);
    let own_cgroup = scene.lab.cgroup().child("resolved").unwrap();
    let resolved = Resolved::start(&scene, &program_of_resolved, &own_cgroup);
    let limiter = resolved.limiter(&scene, &scene.file("nsswitch", "hosts: files dns\n"));
    assert!(!is_said(&limiter));

    let (one, other) = (&scene.one, &scene.other);
    let by_stub = resolved.shown.join("stub-resolv.conf");
    let told = |cgroup: &Cgroup, name: &str| {
        let mut told = resolve(scene.lab.client(), cgroup, &by_stub, name);
        told.sort();
        told
    };
    assert_eq!(told(one, "near.test"), [v4[0], v6[0]]);
    for address in [v4[0], v6[0]] {
        assert_eq!(whose(&limiter, address), ["one", "resolved"], "its server is a resolver of this host");
    }
    assert!(attempt_is_named(&scene.lab, &limiter, one, v4[0]));
    assert!(!attempt_is_named(&scene.lab, &limiter, other, v4[0]));
    assert_eq!(read_and_named(&limiter), (4, 4), "A and AAAA, by both");

    let before = asked.log();
    assert_eq!(told(other, "near.test"), [v4[0], v6[0]]);
    assert_eq!(asked.log(), before, "from the cache");
    assert_eq!(whose(&limiter, v4[0]), ["one", "other", "resolved"]);
    assert_eq!(read_and_named(&limiter), (6, 6));

    ask_well(&limiter, &["set", "names", "host"]);
    assert_eq!(told(one, "second.test"), [v4[1]]);
    assert_eq!(whose(&limiter, v4[1]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, other, v4[1]));
    assert_eq!(read_and_named(&limiter), (10, 8));
}

#[test]
fn past_the_stub_only_resolved_s_own_questions_are_seen() {
    require_lab!();
    let Some(program_of_resolved) = find_resolved() else { return };
    let library = ["libnss_resolve.so.2"].map(|file| format!("{}/{file}", libraries()));
    let Some(library) = find("libnss-resolve", "libnss_resolve.so.2", &library) else { return };
    if !has("dnsmasq", "dnsmasq-base") {
        return;
    }
    let scene = Scene::new();
    let v4 = scene.dead(2, Family::V4);
    let _server = server(&scene, &[format!("first.test,{}", v4[0]), format!("second.test,{}", v4[1])]);
    let own_cgroup = scene.lab.cgroup().child("resolved").unwrap();
    let resolved = Resolved::start(&scene, &program_of_resolved, &own_cgroup);
    let nsswitch = scene.file("nsswitch", "hosts: files resolve [!UNAVAIL=return] dns\n");
    let limiter = resolved.limiter(&scene, &nsswitch);
    assert!(is_said(&limiter));

    let nobody = scene.file("nobody", "nameserver 192.0.2.1\n");
    let changes = [
        Resolved::seen(&resolved.shown),
        format!("mount --bind {} /etc/nsswitch.conf", nsswitch.display()),
        format!("mount --bind {} /etc/resolv.conf", nobody.display()),
        format!("export LD_LIBRARY_PATH={}", library.parent().unwrap().display()),
    ]
    .join("\n");
    let told = |name: &str| resolve_after(scene.lab.client(), &scene.one, &changes, name);
    assert_eq!(told("first.test"), [v4[0]]);
    assert_eq!(whose(&limiter, v4[0]), ["resolved"]);
    assert!(!attempt_is_named(&scene.lab, &limiter, &scene.one, v4[0]));

    ask_well(&limiter, &["set", "names", "host"]);
    assert!(!is_said(&limiter));
    assert_eq!(told("second.test"), [v4[1]]);
    assert_eq!(whose(&limiter, v4[1]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, &scene.one, v4[1]));
    assert_eq!(read_and_named(&limiter), (4, 2), "A and AAAA of each");
}
