//! Names by the resolvers that hosts run for their programs: unbound, systemd-resolved's stub, nss-resolve.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use testkit::desk::mounts::changed_for;
use testkit::desk::names::{
    CLIENT, STUB, Scene, Server, attempt_is_named, named_for, names, resolve, resolve_after,
};
use testkit::desk::{ask_well, has, program, said};
use testkit::{Cgroup, Family, Lab, Limiter, Namespace, Service, Skip, require_lab};

const SERVER: &str = "10.77.0.2";
/// Of the server that is asked as an authority.
const AUTHORITY: &str = "fd77::2";
/// Where `tools/packages test` unpacks what it must not install.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs");
const PACKAGE_OF_RESOLVED: &str = "systemd-resolved";
const USER: &str = "systemd-resolve";
const LINKER_CACHE: &str = "/etc/ld.so.cache";

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

/// The names in the lines of a server's log that begin so.
fn questions<'a>(log: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    log.lines().filter_map(move |line| line.split_once(kind)?.1.split(' ').nth(1))
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
    let scene = Scene::set_up();
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
    let told = |cgroup: &Cgroup, name: &str| {
        let mut addresses = resolve(scene.lab.client(), cgroup, &by_stub, name);
        addresses.sort();
        addresses
    };

    assert_eq!(told(one, "near.test"), [v4[0], v6[0]]);
    assert_eq!(told(one, "www.deep.zone"), [v4[3]]);
    for address in [v4[0], v6[0], v4[3]] {
        assert_eq!(whose(&limiter, address), ["one"]);
    }
    assert!(attempt_is_named(&scene.lab, &limiter, one, v4[0]));
    assert!(!attempt_is_named(&scene.lab, &limiter, other, v4[0]));
    assert_eq!(told(other, "near.test"), [v4[0], v6[0]]);
    assert_eq!(whose(&limiter, v4[0]), ["one", "other"]);
    assert_eq!(read_and_named(&limiter), (6, 5), "A and AAAA of each name, and nothing that unbound asked");

    // Now what it asks is read too.
    ask_well(&limiter, &["set", "resolvers", &format!("system,{SERVER},{AUTHORITY}")]);
    assert_eq!(told(one, "second.test"), [v4[1]]);
    assert_eq!(told(one, "www.deeper.zone"), [v4[4]]);
    for address in [v4[1], v4[4]] {
        assert_eq!(whose(&limiter, address), ["one", "stub"]);
    }
    let (read, named) = read_and_named(&limiter);
    assert_eq!(named, 5 + 4);
    assert!(read >= 6 + 8, "A and AAAA of each name, by both: {read}");

    ask_well(&limiter, &["set", "names", "host"]);
    assert_eq!(told(one, "third.test"), [v4[2]]);
    assert_eq!(whose(&limiter, v4[2]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, other, v4[2]));
    read_and_named(&limiter);

    let log = forwarded.log();
    assert!(questions(&log, "query[").any(|name| name != name.to_lowercase()), "of either case: {log}");
    let near = questions(&log, "query[A]").filter(|name| name.eq_ignore_ascii_case("near.test"));
    assert_eq!(near.count(), 1, "for who asked first; then the cache had it: {log}");
    let log = authority.log();
    let shortened = questions(&log, "auth[").any(|name| name.eq_ignore_ascii_case("deeper.zone"));
    assert!(shortened, "no more of the name than is needed: {log}");
}

/// A host with systemd-resolved: what of /etc and /run its programs see.
struct ResolvedHost {
    changes: String,
    _service: Service,
}

impl ResolvedHost {
    /// Names are resolved as `hosts` of its nsswitch.conf says.
    fn start(scene: &Scene, program: &Path, cgroup: &Cgroup, hosts: &str) -> Self {
        let [etc, shown] = ["etc", "shown"].map(|name| scene.directory.path().join(name));
        fs::create_dir_all(etc.join("systemd")).unwrap();
        fs::create_dir(&shown).unwrap();
        let put = |name: &str, text: &str| fs::write(etc.join(name), text).unwrap();
        put("passwd", &format!("root:x:0:0::/:/bin/sh\n{USER}:x:4227:4227::/:/bin/false\n"));
        put("group", &format!("root:x:0:\n{USER}:x:4227:\n"));
        put("nsswitch.conf", &format!("hosts: {hosts}\n"));
        let settings = "FallbackDNS=\nLLMNR=no\nMulticastDNS=no\nDNSSEC=no";
        put("systemd/resolved.conf", &format!("[Resolve]\nDNS={SERVER}\n{settings}\n"));
        // As its package makes it.
        symlink("../run/systemd/resolve/stub-resolv.conf", etc.join("resolv.conf")).unwrap();
        if Path::new(LINKER_CACHE).exists() {
            fs::copy(LINKER_CACHE, etc.join("ld.so.cache")).unwrap();
        }
        let changes = [
            "mount -t tmpfs -o mode=755 none /run".to_owned(),
            "mkdir -p /run/systemd/resolve".to_owned(),
            format!("mount --bind {} /run/systemd/resolve", shown.display()),
            format!("mount --bind {} /etc", etc.display()),
        ]
        .join("\n");
        let mut command = scene.lab.client().command_in(cgroup, "unshare");
        command.args(["--mount", "--", "sh", "-e", "-c"]);
        command.arg(format!("{changes}\nchown {USER}: /run/systemd/resolve\nexec \"$0\"")).arg(program);
        if program.starts_with(UNPACKED) {
            let unpacked = Path::new(UNPACKED).join(PACKAGE_OF_RESOLVED);
            command.env("LD_LIBRARY_PATH", unpacked.join(libraries()).join("systemd"));
        }
        command.env("SYSTEMD_LOG_TARGET", "console");
        let service = Service::start(&mut command, || answers(scene.lab.client())).unwrap();
        Self { changes, _service: service }
    }

    /// A limiter there.
    fn limiter(&self, scene: &Scene) -> Limiter {
        let changed = changed_for(scene.directory.path(), &self.changes);
        let builder = Limiter::builder(&scene.lab).program(changed).own_mounts(program());
        let limiter = builder.set("names", "client").start().unwrap();
        assert_eq!(names(&limiter)["resolvers"], json!([SERVER, STUB]), "those of both of its files");
        limiter
    }
}

fn find_resolved() -> Option<PathBuf> {
    let places = ["lib", "usr/lib"].map(|lib| format!("{lib}/systemd/systemd-resolved"));
    find(PACKAGE_OF_RESOLVED, "systemd-resolved", &places)
}

/// Whether it says that programs of this host ask past the stub.
fn asked_by_others(limiter: &Limiter) -> bool {
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
    let scene = Scene::set_up();
    let (v4, v6) = (scene.dead(2, Family::V4), scene.dead(1, Family::V6));
    let records = [format!("far.test,{},{}", v4[0], v6[0]), format!("second.test,{}", v4[1])];
    let _server = server(&scene, &records);
    let own_cgroup = scene.lab.cgroup().child("resolved").unwrap();
    let host = ResolvedHost::start(&scene, &program_of_resolved, &own_cgroup, "files dns");
    let limiter = host.limiter(&scene);
    assert!(!asked_by_others(&limiter));

    let (one, other) = (&scene.one, &scene.other);
    let told = |cgroup: &Cgroup, name: &str| {
        let mut told = resolve_after(scene.lab.client(), cgroup, &host.changes, name);
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

    assert_eq!(told(other, "near.test"), [v4[0], v6[0]]);
    assert_eq!(whose(&limiter, v4[0]), ["one", "other", "resolved"]);
    assert_eq!(read_and_named(&limiter), (6, 6), "from the cache");

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
    let scene = Scene::set_up();
    let v4 = scene.dead(2, Family::V4);
    let _server = server(&scene, &[format!("first.test,{}", v4[0]), format!("second.test,{}", v4[1])]);
    let own_cgroup = scene.lab.cgroup().child("resolved").unwrap();
    let hosts = "files resolve [!UNAVAIL=return] dns";
    let host = ResolvedHost::start(&scene, &program_of_resolved, &own_cgroup, hosts);
    let limiter = host.limiter(&scene);
    assert!(asked_by_others(&limiter));

    let directory = library.parent().unwrap().display();
    let changes = format!("{}\nexport LD_LIBRARY_PATH={directory}", host.changes);
    let told = |name: &str| resolve_after(scene.lab.client(), &scene.one, &changes, name);
    assert_eq!(told("first.test"), [v4[0]]);
    assert_eq!(whose(&limiter, v4[0]), ["resolved"]);
    assert!(!attempt_is_named(&scene.lab, &limiter, &scene.one, v4[0]));

    ask_well(&limiter, &["set", "names", "host"]);
    assert!(!asked_by_others(&limiter));
    assert_eq!(told("second.test"), [v4[1]]);
    assert_eq!(whose(&limiter, v4[1]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, &scene.one, v4[1]));
    assert_eq!(read_and_named(&limiter), (4, 2), "A and AAAA of each");
}
