//! The dashboard of a daemon in its whole sandbox, as curl gets it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use testkit::desk::mounts::as_own_user;
use testkit::desk::processes::{child_called, kill, state};
use testkit::desk::{PATIENCE, Said, ask, ask_well, has, said, until};
use testkit::rig::host;
use testkit::rig::program::Program;
use testkit::{Dialer, Dialling, Family, HostKind, Lab, Limiter, Mix, require_lab};

const HERE: &str = "127.0.0.1:4227";

/// A daemon with a dashboard, in the network namespace of the lab's client.
struct Scene {
    limiter: Limiter,
    lab: Lab,
    directory: TempDir,
}

/// An answer.
#[derive(Debug)]
struct Page {
    code: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Page {
    fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        all.next().map(|(_, value)| value.as_str())
    }

    /// The value of a hidden field, the first of that name.
    fn field(&self, name: &str) -> String {
        let field = format!("type=\"hidden\" name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&field).unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Scene {
    fn new() -> Self {
        Self::of("host.half_open = 3\nhost.slot_life = \"5m\"", &format!("listen = \"{HERE}\""))
    }

    fn of(limits: &str, dashboard: &str) -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let program = as_own_user(directory.path());
        let config = directory.path().join("halfopen.toml");
        // A lab's cgroups lie directly below the root.
        let path = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let text = format!("preset = \"none\"\n{limits}\n[dashboard]\n{dashboard}\n");
        fs::write(&config, text.replace("LAB", &path)).unwrap();
        let limiter = Limiter::builder(&lab).program(program).config(&config).in_client().start().unwrap();
        Self { limiter, lab, directory }
    }

    fn curl(&self, arguments: &[&str]) -> Said {
        said(self.lab.client().command("curl").args(["-sS", "--max-time", "60"]).args(arguments))
    }

    fn get(&self, path: &str, more: &[&str]) -> Page {
        let url = format!("http://{HERE}{path}");
        let said = self.curl(&[&["-i", url.as_str()], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        let text = said.out.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Page { code, headers, body: body.to_owned() }
    }

    /// Sends a form, as a page of the dashboard itself does.
    fn post(&self, path: &str, form: &[(&str, &str)], more: &[&str]) -> Page {
        let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let origin = format!("Origin: http://{HERE}");
        let mut arguments = vec!["-H", origin.as_str()];
        for field in &fields {
            arguments.extend(["--data-urlencode", field.as_str()]);
        }
        self.get(path, &[&arguments, more].concat())
    }

    /// A one-time token.
    fn token(&self) -> String {
        let address = until("a dashboard", PATIENCE, || {
            let said = ask(&self.limiter, &["dashboard"]);
            (said.code == Some(0)).then_some(said.out)
        });
        address.strip_prefix(&format!("http://{HERE}/login/")).unwrap().to_owned()
    }

    /// The header with the cookie of a new session.
    fn log_in(&self) -> String {
        let page = self.post("/login", &[("token", &self.token())], &[]);
        assert_eq!(page.code, 303, "{page:?}");
        let cookie = page.header("set-cookie").unwrap().split_once(';').unwrap().0.to_owned();
        format!("Cookie: {cookie}")
    }

    fn degraded(&self) -> Option<String> {
        let status: Value = serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap();
        let mut all = status["degraded"].as_array().unwrap().iter();
        let found = all.find(|found| found["reason"] == "dashboard_not_served")?;
        Some(found["explanation"].as_str().unwrap().to_owned())
    }

    /// Ten attempts, of which seven wait.
    fn scan(&self) -> Dialling {
        let dead = self.lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
        let dialling = Dialer::new(&self.lab).destinations(dead.destinations()).spawn().unwrap();
        self.limiter.await_status("seven to wait", PATIENCE, |status| status.host.queued == 7).unwrap();
        dialling
    }

    fn process(&self) -> u32 {
        // The kernel cuts its name.
        until("the dashboard's process", PATIENCE, || child_called(self.limiter.pid(), "halfopen-dashbo"))
    }
}

/// What can be asked for.
const PATHS: [&str; 10] = [
    "/",
    "/account?name=host",
    "/events",
    "/event?time=2026-01-01T00:00:00Z&id=4226&scope=host",
    "/settings",
    "/settings/host.half_open",
    "/settings/host.half_open?value=5",
    "/history",
    "/live?of=overview",
    "/nothing",
];

#[test]
fn a_one_time_address_is_the_only_way_in() {
    require_lab!();
    let scene = Scene::new();
    let token = scene.token();
    for path in PATHS {
        let page = scene.get(path, &[]);
        assert_eq!(page.code, 401, "{path}: {page:?}");
        assert!(page.body.contains("halfopen dashboard") && !page.body.contains("half-open now"), "{page:?}");
        assert_eq!(scene.get(path, &["-H", "Cookie: halfopen=0123456789abcdef"]).code, 401, "{path}");
    }
    // Looking at the address does not spend it.
    for _ in 0..2 {
        let form = scene.get(&format!("/login/{token}"), &[]);
        assert_eq!((form.code, form.field("token")), (200, token.clone()));
    }
    let page = scene.post("/login", &[("token", &token)], &[]);
    assert_eq!((page.code, page.header("location")), (303, Some("/")));
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=28800"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split_once(';').unwrap().0);
    assert_eq!(scene.post("/login", &[("token", &token)], &[]).code, 403, "it has been used");
    assert_eq!(scene.get("/", &["-H", &format!("Cookie: halfopen={token}")]).code, 401, "it is no session");

    let expected = [200, 200, 200, 404, 200, 200, 200, 200, 200, 404];
    for (path, expected) in PATHS.into_iter().zip(expected).filter(|(path, _)| !path.starts_with("/live")) {
        let page = scene.get(path, &["-H", &cookie]);
        assert_eq!(page.code, expected, "{path}: {page:?}");
    }
    let form = scene.get("/", &["-H", &cookie]).field("form");
    let out = scene.post("/logout", &[("form", &form)], &["-H", &cookie]);
    assert!(out.code == 200 && out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(scene.get("/", &["-H", &cookie]).code, 401);
}

#[test]
fn wrong_tries_are_slowed_and_right_ones_are_not_kept_waiting() {
    require_lab!();
    let scene = Scene::new();
    let token = scene.token();
    let tried: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..12)
            .map(|number| {
                let wrong = format!("{number}{}", &token[2..]);
                let scene = &scene;
                scope.spawn(move || scene.post("/login", &[("token", &wrong)], &[]).code)
            })
            .collect();
        let codes = tries.into_iter().map(|sent| sent.join().unwrap()).collect();
        assert_eq!(scene.post("/login", &[("token", &token)], &[]).code, 303);
        codes
    });
    let count = |code| tried.iter().filter(|found| **found == code).count();
    assert_eq!(count(403) + count(429), 12, "{tried:?}");
    assert!(count(429) > 0 && count(403) >= 4, "{tried:?}");
}

#[test]
fn what_other_pages_and_names_send_is_refused() {
    require_lab!();
    let scene = Scene::new();
    let cookie = scene.log_in();
    let other = scene.log_in();
    let logged_in = ["-H", cookie.as_str()];
    for host in ["Host: evil.example:4227", "Host: 127.0.0.2:4227", "Host:"] {
        let page = scene.get("/", &[&logged_in[..], &["-H", host]].concat());
        assert!(page.code == 421 || page.code == 400, "{host}: {page:?}");
    }
    assert_eq!(scene.get("/", &[&logged_in[..], &["-H", "Host: localhost:8080"]].concat()).code, 200);
    let form = scene.get("/", &logged_in).field("form");
    let change = |form: &str, more: &[&str]| {
        let fields = [("form", form), ("value", "50"), ("was", "3")];
        scene.post("/settings/host.half_open", &fields, &[&logged_in[..], more].concat()).code
    };
    let foreign = scene.get("/", &["-H", other.as_str()]).field("form");
    for (form, why) in
        [(foreign.as_str(), "another session's"), ("", "none"), ("zz", "no token"), (&form[2..], "cut")]
    {
        assert_eq!(change(form, &[]), 403, "{why}");
    }
    let url = format!("http://{HERE}/settings/host.half_open");
    let without_origin = [
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        &cookie,
        "-d",
        &format!("form={form}&value=50&was=3"),
    ];
    for origin in [&[][..], &["-H", "Origin: http://evil.example"], &["-H", "Origin: null"]] {
        assert_eq!(scene.curl(&[&without_origin[..], origin, &[&url]].concat()).out, "403", "{origin:?}");
    }
    assert_eq!(ask_well(&scene.limiter, &["get", "half_open"]), "3");
    assert_eq!(change(&form, &[]), 303);
    assert_eq!(ask_well(&scene.limiter, &["get", "half_open"]), "50");
}

#[test]
fn every_answer_says_what_browsers_may_do_with_it() {
    require_lab!();
    let scene = Scene::new();
    let cookie = scene.log_in();
    let logged_in = ["-H", cookie.as_str()];
    for (path, more) in [
        ("/", &logged_in[..]),
        ("/", &[]),
        ("/style.css", &[]),
        ("/live.js", &[]),
        ("/", &["-H", "Host: evil"]),
        ("/login/a", &[]),
    ] {
        let page = scene.get(path, more);
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(page.header(name), Some(value), "{path}");
        }
        for outside in ["http://", "https://", "style=", "onclick", "<script>"] {
            assert!(!page.body.contains(outside), "{outside} in {path}: {}", page.body);
        }
    }
    let late = scene.get(
        "/login",
        &[&["-d", &"a".repeat(20_000)], &["-H", &format!("Origin: http://{HERE}")][..]].concat(),
    );
    assert_eq!(late.code, 413, "{late:?}");
}

#[test]
fn a_limit_is_explained_tried_and_changed() {
    require_lab!();
    let scene = Scene::new();
    let cookie = scene.log_in();
    let logged_in = ["-H", cookie.as_str()];
    let _scan = scene.scan();
    let overview = scene.get("/", &logged_in);
    assert!(overview.body.contains("<dt>Waiting now</dt><dd>7</dd>"), "{}", overview.body);
    let path = "/settings/host.half_open";
    let page = scene.get(path, &logged_in);
    assert!(
        page.body.contains("raise this a little") && page.body.contains("halfopen.toml:"),
        "{}",
        page.body
    );
    let preview = scene.get(&format!("{path}?value=20"), &logged_in);
    assert!(preview.body.contains("host.half_open = 20 instead of 3"), "{}", preview.body);
    let wrong = scene.get(&format!("{path}?value=none"), &logged_in);
    assert!(wrong.body.contains("expected") && !wrong.body.contains("instead of"), "{}", wrong.body);
    assert_eq!(ask_well(&scene.limiter, &["get", "half_open"]), "3", "looking changes nothing");

    let form = preview.field("form");
    let send = |path: &str, value: &str, was: &str| {
        scene.post(path, &[("form", &form), ("value", value), ("was", was)], &logged_in)
    };
    let stale = send(path, "20", "4");
    assert!(stale.code == 409 && stale.body.contains("is 3 by now"), "{stale:?}");
    for (path, value) in [
        ("/settings/exempt", "10.0.0.0/8"),
        ("/settings/dashboard.listen", "off"),
        ("/settings/never_hold", "[]"),
    ] {
        let refused = send(path, value, "");
        assert!(refused.code == 400 && refused.body.contains("cannot be changed here"), "{refused:?}");
    }
    let changed = send(path, "20", "3");
    assert_eq!(
        (changed.code, changed.header("location")),
        (303, Some("/settings/host.half_open?was=3")),
        "{changed:?}"
    );
    scene.limiter.await_status("nobody to wait", PATIENCE, |status| status.host.queued == 0).unwrap();
    let page = scene.get("/settings/host.half_open?was=3", &logged_in);
    assert!(page.body.contains("it was 3 and is 20 now") && page.body.contains("not saved"), "{}", page.body);
}

#[test]
fn what_happens_is_streamed_until_the_session_ends() {
    require_lab!();
    let scene = Scene::new();
    let cookie = scene.log_in();
    let form = scene.get("/", &["-H", &cookie]).field("form");
    let file = scene.directory.path().join("stream");
    let url = format!("http://{HERE}/live?of=overview");
    let arguments = ["-N", "-i", "-o", file.to_str().unwrap(), "-H", &cookie, &url];
    std::thread::scope(|scope| {
        let stream = scope.spawn(|| scene.curl(&arguments));
        let streamed = |what: &str| {
            until(what, PATIENCE, || fs::read_to_string(&file).ok().filter(|text| text.contains(what)))
        };
        let text = streamed("<dt>Waiting now</dt><dd>0</dd>");
        assert!(text.contains("content-type: text/event-stream\r\n"), "{text}");
        assert!(text.contains("\r\n\r\nevent: parts\ndata: [\"<section id=\\\"now\\\""), "{text}");
        let _scan = scene.scan();
        streamed("<dt>Waiting now</dt><dd>7</dd>");
        assert_eq!(scene.post("/logout", &[("form", &form)], &["-H", &cookie]).code, 200);
        assert_eq!(stream.join().unwrap().code, Some(0), "it ends");
    });
}

#[test]
fn without_its_process_the_limit_goes_on_and_says_so() {
    require_lab!();
    let scene = Scene::new();
    scene.token();
    assert_eq!(scene.degraded(), None);
    let process = scene.process();
    let of_it = state(process).unwrap();
    assert_eq!(of_it["CapEff"], "0000000000000000");
    assert_eq!((of_it["NoNewPrivs"].as_str(), of_it["Seccomp"].as_str()), ("1", "2"));
    assert!(!of_it["Uid"].starts_with("0 "), "{of_it:?}");
    kill(process, Signal::KILL);
    let told = until("the degradation", PATIENCE, || scene.degraded());
    assert!(told.contains("its process has ended"), "{told}");
    let refused = ask(&scene.limiter, &["dashboard"]);
    assert!(refused.code == Some(1) && refused.error.contains("its process has ended"), "{refused:?}");
    let _scan = scene.scan();
}

#[test]
fn an_address_that_is_taken_is_a_degradation() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let _taken = lab.client().run(|| std::net::TcpListener::bind(HERE).unwrap()).unwrap();
    let limiter = Limiter::builder(&lab).set("dashboard.listen", HERE).in_client().start().unwrap();
    let scene = Scene { limiter, lab, directory: tempfile::tempdir().unwrap() };
    let told = until("the degradation", PATIENCE, || scene.degraded());
    assert!(told.contains(HERE) && told.contains("Address already in use"), "{told}");
}

#[test]
fn the_dashboard_goes_and_comes_with_the_daemon() {
    require_lab!();
    let mut scene = Scene::new();
    let cookie = scene.log_in();
    let process = scene.process();
    scene.limiter.kill();
    until("its process to end", PATIENCE, || state(process).is_none().then_some(()));
    scene.limiter.start_again().unwrap();
    scene.token();
    assert_eq!(scene.get("/", &["-H", &cookie]).code, 401, "sessions end with the daemon");
}

#[test]
fn without_a_dashboard_the_command_says_how_to_get_one() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = Limiter::builder(&lab).start().unwrap();
    let refused = ask(&limiter, &["dashboard"]);
    assert!(refused.code == Some(1) && refused.error.contains("set --save dashboard.listen"), "{refused:?}");
}

#[test]
fn ten_thousand_accounts_are_shown_in_time() {
    require_lab!();
    let limits = "records = 65536\nhost.queue = \"unlimited\"\nhost.half_open = \"unlimited\"\nhost.slot_life = \"10m\"";
    let rule = "[[scope]]\nname = \"each\"\nmatch = { cgroup = \"LAB\" }\nper = \"user\"";
    let scene = Scene::of(limits, &format!("listen = \"{HERE}\"\n{rule}"));
    let mut program = Program::start(scene.lab.client(), scene.lab.cgroup(), "accounts.py", &[]);
    let to: SocketAddr = host(&scene.lab, HostKind::Dead, Family::V4);
    program.tell(&json!({ "dial": [to.ip().to_string(), to.port()], "users": 10_000, "first": 100_000 }));
    program.hear(Duration::from_mins(5));
    let cookie = scene.log_in();
    let url = format!("http://{HERE}/");
    let took = |_| {
        let arguments = ["--fail", "-o", "/dev/null", "-w", "%{time_total}", "-H", &cookie, &url];
        scene.curl(&arguments).out.parse::<f64>().unwrap()
    };
    let all: Vec<f64> = (0..10).map(took).collect();
    println!("the overview with 10,000 accounts: {all:?} s");
    // The program that tests build is not optimized; HALFOPEN_BIN=target/release/halfopen measures one that is.
    let limit = if std::env::var_os("HALFOPEN_BIN").is_some() { 0.3 } else { 3.0 };
    assert!(all.iter().copied().fold(f64::INFINITY, f64::min) < limit, "{all:?}");
}

fn certificate(directory: &std::path::Path) -> PathBuf {
    let file = directory.join("certificate.pem");
    let mut openssl = std::process::Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args(["-subj", "/CN=dashboard", "-addext", "subjectAltName=DNS:dashboard.example,IP:127.0.0.1"]);
    openssl.arg("-keyout").arg(directory.join("key.pem")).arg("-out").arg(&file);
    let made = said(&mut openssl);
    assert_eq!(made.code, Some(0), "{made:?}");
    file
}

#[test]
fn beyond_loopback_it_speaks_tls_for_the_names_of_its_certificate() {
    require_lab!();
    if !has("openssl", "openssl") {
        return;
    }
    let lab = Lab::new().unwrap();
    let start = |more: &[(&str, &str)]| {
        let builder = Limiter::builder(&lab).set("dashboard.listen", "0.0.0.0:4227").in_client();
        more.iter().fold(builder, |builder, (name, value)| builder.set(name, value)).start()
    };
    let refused = start(&[]).unwrap_err().to_string();
    assert!(refused.contains("dashboard.certificate is missing") && refused.contains("ssh -L"), "{refused}");

    let place = tempfile::tempdir().unwrap();
    let file = certificate(place.path());
    let key = place.path().join("key.pem");
    let files = [("dashboard.certificate", file.to_str().unwrap()), ("dashboard.key", key.to_str().unwrap())];
    let limiter = start(&files).unwrap();
    let scene = Scene { limiter, lab, directory: place };
    let address = until("a dashboard", PATIENCE, || {
        Some(ask(&scene.limiter, &["dashboard"])).filter(|said| said.code == Some(0)).map(|said| said.out)
    });
    let token = address.rsplit_once("/login/").unwrap().1;
    assert!(address.starts_with("https://"), "{address}");
    let trusted = ["--cacert", file.to_str().unwrap(), "--resolve", "dashboard.example:4227:127.0.0.1"];
    let fixed = ["-o", "/dev/null", "-w", "%{http_code}"];
    let code = |arguments: &[&str]| scene.curl(&[&fixed, &trusted[..], arguments].concat()).out;
    assert_eq!(code(&["https://dashboard.example:4227/style.css"]), "200");
    assert_eq!(code(&["https://127.0.0.1:4227/style.css"]), "200");
    assert_eq!(code(&["https://127.0.0.1:4227/style.css", "-H", "Host: localhost"]), "421", "not its name");
    assert_eq!(code(&["http://127.0.0.1:4227/"]), "000", "nothing without TLS");
    let said = scene.curl(
        &[
            &trusted[..],
            &[
                "-i",
                "-H",
                "Origin: https://dashboard.example:4227",
                "-d",
                &format!("token={token}"),
                "https://dashboard.example:4227/login",
            ],
        ]
        .concat(),
    );
    assert!(
        said.out.to_lowercase().contains("set-cookie: __host-halfopen=") && said.out.contains("; Secure"),
        "{said:?}"
    );
    drop(scene.directory);
}
