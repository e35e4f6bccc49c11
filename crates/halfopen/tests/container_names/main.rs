//! Containers and pods by name, in events, `status`, `inspect` and `why`, and what hides them.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod scene;

use scene::Scene;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use testkit::desk::{PATIENCE, ask, ask_well, until};
use testkit::require_lab;

const UID: &str = "12345678-1234-1234-1234-123456789abc";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

impl Scene {
    fn event(&self) -> Value {
        until("event 4226", PATIENCE, || {
            let said = ask_well(&self.limiter, &["events", "--json"]);
            said.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|event| event["id"] == 4226)
        })
    }

    fn failed_socket(&self) -> Option<String> {
        let status = self.json(&["status", "--json"]);
        let mut all = status["degraded"].as_array().unwrap().iter();
        let found = all.find(|found| found["reason"] == "runtime_socket_failed")?;
        Some(found["explanation"].as_str().unwrap().to_owned())
    }
}

fn write(root: &Path, path: &str, said: &Value) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, said.to_string()).unwrap();
}

#[test]
fn a_pod_s_container_is_named_wherever_its_account_and_program_are() {
    require_lab!();
    let annotations = json!({
        "io.kubernetes.cri.container-name": "nginx",
        "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.27",
        "io.kubernetes.cri.sandbox-name": "web-6d4b75cb6d-4mtdm",
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.sandbox-uid": UID,
    });
    let path = format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json", id('4'));
    let scene = Scene::new(|root| write(root, &path, &json!({ "annotations": annotations })), &[]);
    let pod_cgroup = format!("kubepods-pod{}.slice", UID.replace('-', "_"));
    let pod = scene.lab.cgroup().child(&pod_cgroup).unwrap();
    let container = pod.child(format!("cri-containerd-{}.scope", id('4'))).unwrap();
    let dialling = scene.dial(&container);

    let event = scene.event();
    let told = &event["programs"][0];
    assert_eq!(told["container"]["name"], "nginx", "{event}");
    assert_eq!(told["container"]["image"], "docker.io/library/nginx:1.27");
    assert_eq!(told["container"]["runtime"], "containerd");
    let workload = json!({ "name": "web", "from": "pod_name" });
    let expected =
        json!({ "uid": UID, "name": "web-6d4b75cb6d-4mtdm", "namespace": "shop", "workload": workload });
    assert_eq!(told["pod"], expected);
    let line =
        scene.limiter.stderr().lines().find(|line| line.starts_with("event 4226: ")).unwrap().to_owned();
    let short = "pod shop/web-6d4b75cb6d-4mtdm, container nginx";
    assert!(line.contains(&format!("{short} of image docker.io/library/nginx:1.27)")), "{line}");

    // The account is the pod's: its cgroup has no container's number, and what the container said is known.
    let account = scene.account(&pod_cgroup).unwrap();
    assert_eq!((&account["pod"], &account["container"]), (&expected, &Value::Null));
    let shown = ask_well(&scene.limiter, &["status"]).replace("\n    ", " ");
    assert!(shown.contains("(pod shop/web-6d4b75cb6d-4mtdm)") && shown.contains(short), "{shown}");
    let inspected = scene.json(&["inspect", "--json", account["name"].as_str().unwrap()]);
    assert_eq!(inspected["accounts"][0]["programs"][0]["pod"], expected, "{inspected}");
    let why = scene.json(&["why", "--json", &told["pid"].to_string()]);
    assert_eq!(why["attempts"][0]["pod"], expected, "{why}");
    drop(dialling);
}

/// Answers on a Unix socket as Docker does.
fn runtime(path: &Path, id: &str, name: &str) {
    let listener = UnixListener::bind(path).unwrap();
    let list = json!([{ "Id": id, "Names": [format!("/{name}")], "Image": "scan:latest" }]).to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len());
        }
    });
}

#[test]
fn a_socket_that_hangs_is_named_and_delays_nobody_and_the_other_one_names_the_container() {
    require_lab!();
    let sockets = tempfile::tempdir().unwrap();
    let at = |name: &str| sockets.path().join(name);
    // It accepts, and never answers.
    let hanging = UnixListener::bind(at("podman.sock")).unwrap();
    runtime(&at("docker.sock"), &id('7'), "scanner\u{1b}[2J\n");
    let asked = [
        format!("podman:{}", at("podman.sock").display()),
        format!("docker:{}", at("docker.sock").display()),
    ];
    let scene = Scene::new(|_| (), &asked);
    let name = format!("docker-{}.scope", id('7'));
    let cgroup = scene.lab.cgroup().child(&name).unwrap();
    let dialling = scene.dial(&cgroup);
    let named = until("the container's name", PATIENCE, || {
        Some(scene.account(&name)?).filter(|account| !account["container"]["name"].is_null())
    });
    assert_eq!(named["container"]["name"], r"scanner\x1b[2J\x0a");
    assert_eq!(
        (&named["container"]["image"], &named["container"]["runtime"]),
        (&json!("scan:latest"), &json!("docker"))
    );
    assert_eq!(scene.event()["programs"][0]["container"]["name"], r"scanner\x1b[2J\x0a");

    let why = until("the reason", PATIENCE, || scene.failed_socket());
    assert!(why.ends_with(&format!("{}: no answer within 2 s", asked[0])), "{why}");
    assert!(scene.limiter.stderr().contains(&why), "the log says so too");
    let doctor = ask(&scene.limiter, &["doctor"]).out;
    assert!(
        doctor.contains(&format!("the sockets {}", asked.join(", "))) && doctor.contains(&why),
        "{doctor}"
    );
    drop((dialling, hanging));
    fs::remove_file(at("podman.sock")).unwrap();
    runtime(&at("podman.sock"), &id('8'), "other");
    until("it to be answered again", PATIENCE, || scene.failed_socket().is_none().then_some(()));
}

#[test]
fn a_name_that_a_program_gives_its_cgroup_makes_it_no_container() {
    require_lab!();
    let docker = format!("var/lib/docker/containers/{}/config.v2.json", id('5'));
    let victim = json!({ "Name": "/victim", "Config": { "Image": "x" } });
    let scene = Scene::new(|root| write(root, &docker, &victim), &[]);
    let service = scene.lab.cgroup().child("hosting.service").unwrap();
    std::os::unix::fs::chown(service.path(), Some(65_534), None).unwrap();
    let faked = service.child(format!("docker-{}.scope", id('5'))).unwrap();
    let dialling = scene.dial(&faked);
    let event = scene.event();
    let told = &event["programs"][0];
    assert_eq!((&told["unit"], &told["container"]), (&json!("hosting.service"), &Value::Null), "{event}");
    drop(dialling);
}
