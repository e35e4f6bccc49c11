//! Which addresses DNS answers name, and for whom: real servers and clients, and answers that nobody should believe.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use testkit::desk::mounts::changed_for;
use testkit::desk::names::{CLIENT, STUB, Scene, Server, attempt_is_named, named_for, names, resolve};
use testkit::desk::{PATIENCE, ask_well, has, program, said, until};
use testkit::{Family, Host, HostKind, Limiter, WORLD_V4, require_lab};

#[test]
fn a_real_server_and_a_stub_name_addresses_for_who_asked_or_for_all() {
    require_lab!();
    if !has("dnsmasq", "dnsmasq-base") {
        return;
    }
    let scene = Scene::set_up();
    let (v4, v6) = (scene.dead(3, Family::V4), scene.dead(1, Family::V6));
    let world = [
        "--listen-address=10.77.0.2,fd77::2".to_owned(),
        format!("--host-record=far.test,{},{}", v4[0], v6[0]),
        "--cname=near.test,mid.test".to_owned(),
        "--cname=mid.test,far.test".to_owned(),
        format!("--host-record=second.test,{}", v4[1]),
        format!("--host-record=third.test,{}", v4[2]),
    ];
    let _world = Server::dnsmasq(scene.lab.world().command("dnsmasq"), &world);
    let stub_cgroup = scene.lab.cgroup().child("stub").unwrap();
    let stub =
        [format!("--listen-address={STUB}"), "--server=10.77.0.2".to_owned(), "--cache-size=0".to_owned()];
    let _stub = Server::dnsmasq(scene.lab.client().command_in(&stub_cgroup, "dnsmasq"), &stub);

    // What the limiter's own host names is what its system's files say.
    let system = scene.file("resolv.conf", &format!("nameserver {STUB}\n"));
    let changed =
        changed_for(scene.directory.path(), &format!("mount --bind {} /etc/resolv.conf", system.display()));
    let builder = Limiter::builder(&scene.lab).program(changed).own_mounts(program());
    let limiter = builder.set("names", "client").set("resolvers", "system,fd77::2").start().unwrap();
    let resolvers = |limiter: &Limiter| names(limiter)["resolvers"].clone();
    assert_eq!(resolvers(&limiter), serde_json::json!([STUB, "fd77::2"]));

    let (client, one, other) = (scene.lab.client(), &scene.one, &scene.other);
    let by_stub = scene.file("by-stub", &format!("nameserver {STUB}\n"));
    let by_v6 = scene.file("by-v6", "nameserver fd77::2\n");
    let mut told = resolve(client, one, &by_stub, "near.test");
    told.sort();
    assert_eq!(told, [v4[0], v6[0]]);
    for address in [v4[0], v6[0]] {
        assert_eq!(
            named_for(&limiter, address),
            ["one"],
            "the stub asks a server that is no resolver of this host"
        );
        assert!(attempt_is_named(&scene.lab, &limiter, one, address));
        assert!(!attempt_is_named(&scene.lab, &limiter, other, address));
    }
    assert_eq!(resolve(client, other, &by_v6, "second.test"), [v4[1]]);
    assert_eq!(named_for(&limiter, v4[1]), ["other"]);
    let counted = names(&limiter);
    // The server has no AAAA of the second name, and may say so by an error.
    let answers = counted["answers_read"].as_u64().unwrap() + counted["refused"]["errors"].as_u64().unwrap();
    assert_eq!((answers, &counted["addresses_named"]), (4, &3.into()), "{counted}");

    ask_well(&limiter, &["set", "names", "host"]);
    assert_eq!(resolve(client, one, &by_v6, "third.test"), [v4[2]]);
    assert_eq!(named_for(&limiter, v4[2]), ["all"]);
    assert!(attempt_is_named(&scene.lab, &limiter, other, v4[2]));

    fs::write(&system, "nameserver 192.0.2.1\n").unwrap();
    until("the system's new resolver", PATIENCE, || {
        (resolvers(&limiter) == serde_json::json!(["192.0.2.1", "fd77::2"])).then_some(())
    });
    let read = names(&limiter)["answers_read"].clone();
    resolve(client, one, &by_stub, "second.test");
    assert_eq!(names(&limiter)["answers_read"], read, "the stub is no resolver any more");

    ask_well(&limiter, &["set", "resolvers", "[]"]);
    let status: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    let degraded = status["degraded"].as_array().unwrap();
    assert!(degraded.iter().any(|found| found["reason"] == "no_resolver"), "{degraded:?}");

    let ingress =
        || said(Command::new("bpftool").args(["cgroup", "show"]).arg(scene.lab.cgroup().path())).out;
    assert!(ingress().contains("ingress"), "{}", ingress());
    ask_well(&limiter, &["set", "names", "off"]);
    assert_eq!(names(&limiter), Value::Null);
    assert!(!ingress().contains("ingress"), "nothing is paid when off: {}", ingress());
}

#[test]
fn forged_answers_name_nothing() {
    require_lab!();
    let scene = Scene::set_up();
    let server = WORLD_V4.to_string();
    let second = "198.18.255.53";
    scene.lab.place(&[Host { address: second.parse().unwrap(), kind: HostKind::Live }]).unwrap();
    let mut forger = scene.lab.world().command("python3");
    let _forger = Server::start(forger.args([CLIENT, "serve", &server, second]), "ready");
    let builder = Limiter::builder(&scene.lab).program(program()).set("names", "client").persist();
    let mut limiter = builder.set("resolvers", format!("{server},{second}")).start().unwrap();

    // By the server's last byte of the address, as its table says.
    let asked = [
        "right",
        "id",
        "address",
        "question",
        "truncated",
        "nosuch",
        "short",
        "loop",
        "longer",
        "owner",
        "twice",
    ];
    let unasked = [&asked[..], &["unasked"]].concat();
    let mut client = scene.lab.client().command_in(&scene.one, "python3");
    let said = said(client.args([CLIENT, "ask", &server]).args(unasked.iter().map(|how| match *how {
        "unasked" => "unasked".to_owned(),
        how => format!("{how}.test"),
    })));
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in said.out.lines() {
        let came = if line.starts_with("twice") { " 2" } else { " 1" };
        assert!(line.ends_with(came), "the client is to have heard it: {line}");
    }
    let named = |last: u8| named_for(&limiter, IpAddr::from([198, 18, 200, last]));
    assert_eq!(named(1), ["one"], "the right answer");
    assert_eq!(named(100), ["one"], "the first of two");
    for (at, how) in asked.iter().enumerate().skip(1) {
        assert!(named(at as u8 + 1).is_empty(), "{how}");
    }
    assert!(named(200).is_empty(), "unasked");
    let counted = names(&limiter);
    let refused = &counted["refused"];
    let count = |what: &str| refused[what].as_u64().unwrap();
    assert_eq!(counted["answers_read"], 3, "right, of another owner, and the first of two: {counted}");
    assert_eq!(counted["addresses_named"], 2, "{counted}");
    assert_eq!(
        count("no_query"),
        4,
        "of another id, from another address, the second of two, unasked: {counted}"
    );
    assert_eq!(count("other_question"), 1, "{counted}");
    assert_eq!(count("truncated"), 1, "{counted}");
    assert_eq!(count("errors"), 1, "{counted}");
    assert_eq!(count("malformed"), 2, "short, loop: {counted}");
    assert_eq!(count("too_long"), 1, "{counted}");

    limiter.kill();
    limiter.start_again().unwrap();
    assert_eq!(named_for(&limiter, IpAddr::from([198, 18, 200, 1])), ["one"], "names outlive the daemon");
    assert_eq!(names(&limiter), counted, "and so do its counts");
}
