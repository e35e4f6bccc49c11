//! The metrics of a daemon in its whole sandbox, as curl and Prometheus get them.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use testkit::desk::mounts::as_own_user;
use testkit::desk::{PATIENCE, Said, ask_well, said, until};
use testkit::dial::Outcome;
use testkit::rig::host;
use testkit::rig::program::Program;
use testkit::{Dialer, Family, HostKind, Lab, Limiter, Mix, Service, Skip, require_lab};

const HERE: &str = "127.0.0.1:4226";
const ELSEWHERE: &str = "127.0.0.1:4227";
const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
/// Where `tools/packages test` unpacks it: installed, it would be started.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs/prometheus/usr/bin");
const DASHBOARD: &str = include_str!("../../../packaging/grafana/halfopen.json");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/prometheus/halfopen.rules.yml");

/// A daemon with a user of its own, in the network namespace of the lab's client.
struct Scene {
    limiter: Limiter,
    config: PathBuf,
    lab: Lab,
    directory: TempDir,
}

impl Scene {
    fn with(config_text: &str) -> Self {
        let lab = Lab::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let program = as_own_user(directory.path());
        let config = directory.path().join("halfopen.toml");
        // A lab's cgroups lie directly below the root.
        let path = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        fs::write(&config, config_text.replace("LAB", &path)).unwrap();
        let limiter = Limiter::builder(&lab).program(program).config(&config).in_client().start().unwrap();
        Self { limiter, config, lab, directory }
    }

    fn curl(&self, arguments: &[&str]) -> Said {
        said(self.lab.client().command("curl").args(["-sS", "--max-time", "30"]).args(arguments))
    }

    fn page(&self, at: &str, more: &[&str]) -> String {
        let url = format!("http://{at}/metrics");
        let said = self.curl(&[&["--fail", url.as_str()], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    }

    fn reload(&self, config_text: &str) {
        fs::write(&self.config, config_text).unwrap();
        self.limiter.signal(Signal::HUP).unwrap();
    }

    fn await_refused(&self, at: &str) {
        let url = format!("http://{at}/metrics");
        // curl: 7 = cannot connect.
        until("nobody to listen", PATIENCE, || (self.curl(&[&url]).code == Some(7)).then_some(()));
    }

    fn degraded(&self) -> Option<String> {
        let status: Value = serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap();
        let mut all = status["degraded"].as_array().unwrap().iter();
        let found = all.find(|found| found["reason"] == "metrics_not_served")?;
        Some(found["explanation"].as_str().unwrap().to_owned())
    }
}

fn config(listen: &str, more: &str) -> String {
    format!("preset = \"none\"\n{more}\n[metrics]\nlisten = \"{listen}\"\n")
}

/// The value of a sample, which is named with its labels.
fn value(page: &str, sample: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn both_formats_have_what_the_ledger_has() {
    require_lab!();
    let scene = Scene::with(&config(HERE, "host.half_open = 3\nhost.slot_life = \"5m\""));
    let dead = scene.lab.draw(&Mix { dead: 10, ..Mix::default() }).unwrap();
    let _dialling = Dialer::new(&scene.lab).destinations(dead.destinations()).spawn().unwrap();
    let waiting = "halfopen_waiting{scope=\"host\",account=\"\"}";
    let text = until("seven to wait", PATIENCE, || {
        Some(scene.page(HERE, &[])).filter(|page| value(page, waiting) == Some(7.0))
    });
    let open = scene.page(HERE, &["-H", OPEN_METRICS]);
    for page in [&text, &open] {
        for (sample, expected) in [
            ("halfopen_half_open{scope=\"host\",account=\"\"}", 3.0),
            ("halfopen_half_open_limit{scope=\"host\"}", 3.0),
            ("halfopen_let_out_total{scope=\"host\",account=\"\",when=\"at_once\"}", 3.0),
            ("halfopen_mode{mode=\"enforce\"}", 1.0),
            ("halfopen_mode{mode=\"audit\"}", 0.0),
            ("halfopen_degraded{reason=\"metrics_not_served\"}", 0.0),
            ("halfopen_faults_total{fault=\"event_lost\"}", 0.0),
        ] {
            assert_eq!(value(page, sample), Some(expected), "{sample} in {page}");
        }
    }
    assert!(text.contains("\n# TYPE halfopen_attempts_total counter\n") && !text.contains("# EOF"), "{text}");
    assert!(open.contains("\n# TYPE halfopen_attempts counter\n") && open.ends_with("# EOF"), "{open}");
    let type_of = |more: &[&str]| {
        let url = format!("http://{HERE}/metrics");
        scene.curl(&[&["-o", "/dev/null", "-w", "%{content_type}", url.as_str()], more].concat()).out
    };
    assert_eq!(type_of(&[]), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(type_of(&["-H", OPEN_METRICS]), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

#[test]
fn waits_and_handshakes_are_timed() {
    require_lab!();
    let scene = Scene::with(&config(HERE, "host.half_open = 2\nhost.drain = \"unlimited\""));
    let slow = scene.lab.draw(&Mix { slow: 12, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&scene.lab).destinations(slow.destinations()).spawn().unwrap();
    let answered = dialling.await_all_done(PATIENCE).unwrap();
    assert!(answered.iter().all(|report| report.outcome == Outcome::Connected), "{answered:?}");
    let page = scene.page(HERE, &[]);
    let of = |sample: &str| value(&page, sample).unwrap_or_else(|| panic!("{sample} in {page}"));
    assert_eq!(value(&page, "halfopen_handshake_seconds_count{}"), Some(12.0));
    let waited = "halfopen_let_out_total{scope=\"host\",account=\"\",when=\"after_wait\"}";
    assert_eq!(value(&page, "halfopen_wait_seconds_count{}"), value(&page, waited));
    // What a program sees is its wait and its handshake.
    let timed = of("halfopen_wait_seconds_sum{}") + of("halfopen_handshake_seconds_sum{}");
    let seen: f64 = answered.iter().map(|report| report.waited().as_secs_f64()).sum();
    assert!((0.8..=1.01).contains(&(timed / seen)), "{timed} s of {seen} s");
    for metric in ["handshake", "wait"] {
        let bucket = |bound: &str| of(&format!("halfopen_{metric}_seconds_bucket{{le=\"{bound}\"}}"));
        let count = value(&page, &format!("halfopen_{metric}_seconds_count{{}}"));
        assert_eq!(Some(bucket("+Inf")), count);
        assert!(bucket("0.00006103515625") <= bucket("1.0") && bucket("1.0") <= bucket("128.0"), "{page}");
    }
}

#[test]
fn a_reload_moves_it_and_an_address_that_is_taken_is_a_degradation() {
    require_lab!();
    let scene = Scene::with(&config("off", ""));
    scene.await_refused(HERE);
    scene.reload(&config(HERE, ""));
    let url = format!("http://{HERE}/metrics");
    until("metrics", PATIENCE, || (scene.curl(&[&url]).code == Some(0)).then_some(()));
    let taken = scene.lab.client().run(|| std::net::TcpListener::bind(ELSEWHERE).unwrap()).unwrap();
    scene.reload(&config(ELSEWHERE, ""));
    let why = until("a degradation", PATIENCE, || scene.degraded());
    assert!(why.contains("Address already in use") && why.contains(ELSEWHERE), "{why}");
    scene.await_refused(HERE);
    let log = scene.limiter.stderr();
    assert_eq!(log.matches("cannot listen on `metrics.listen`").count(), 1, "{log}");
    let doctor = ["doctor", "--cgroup", scene.lab.cgroup().path().to_str().unwrap()];
    assert!(said(scene.limiter.command().args(doctor)).out.contains("`metrics.listen`"));
    drop(taken);
    until("no degradation", PATIENCE, || scene.degraded().is_none().then_some(()));
    scene.page(ELSEWHERE, &[]);
    ask_well(&scene.limiter, &["set", "metrics.listen", "off"]);
    scene.await_refused(ELSEWHERE);
}

#[test]
fn a_web_page_cannot_read_them_by_a_name_of_its_own() {
    require_lab!();
    let scene = Scene::with(&config(HERE, ""));
    let status = |host: &str| {
        let header = format!("Host: {host}");
        let url = format!("http://{HERE}/metrics");
        scene.curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &header, &url]).out
    };
    for host in ["127.0.0.1:4226", "localhost", "LOCALHOST:4226", "[::1]:4226", "192.0.2.1"] {
        assert_eq!(status(host), "200", "{host}");
    }
    for host in
        ["rebound.example", "rebound.example:4226", "localhost.rebound.example", "127.0.0.1.nip.example", "@"]
    {
        assert!(["421", "400"].contains(&status(host).as_str()), "{host}: {}", status(host));
    }
}

#[test]
fn a_client_gets_one_page_and_cannot_keep_the_others_waiting() {
    require_lab!();
    let scene = Scene::with(&config(HERE, ""));
    let status = |arguments: &[&str]| {
        let fixed = ["-o", "/dev/null", "-w", "%{http_code}"];
        scene.curl(&[&fixed, arguments].concat()).out
    };
    let url = format!("http://{HERE}/metrics");
    assert_eq!(status(&[&url]), "200");
    assert_eq!(status(&[&format!("http://{HERE}/")]), "404");
    assert_eq!(status(&["-d", "a", &url]), "405");
    assert_eq!(status(&["-H", &format!("X: {}", "a".repeat(20_000)), &url]), "431");
    // As many as are served at once, and they say nothing.
    let connect = || std::net::TcpStream::connect(HERE.parse::<SocketAddr>().unwrap()).unwrap();
    let silent = scene.lab.client().run(|| (0..8).map(|_| connect()).collect::<Vec<_>>()).unwrap();
    assert_eq!(status(&[&url]), "200", "they are closed in time");
    drop(silent);
}

/// So many accounts of users, each with one attempt out.
fn users(scene: &Scene, count: u32) -> Program {
    let mut program = Program::start(scene.lab.client(), scene.lab.cgroup(), "accounts.py", &[]);
    let to: SocketAddr = host(&scene.lab, HostKind::Dead, Family::V4);
    program.tell(&json!({ "dial": [to.ip().to_string(), to.port()], "users": count, "first": 100_000 }));
    program.hear(Duration::from_mins(5));
    program
}

const PER_USER: &str =
    "records = 65536\nhost.queue = \"unlimited\"\nhost.half_open = \"unlimited\"\nhost.slot_life = \"10m\"";

fn with_accounts(max_accounts: u32) -> Scene {
    let rule = "[[scope]]\nname = \"each\"\nmatch = { cgroup = \"LAB\" }\nper = \"user\"\n";
    Scene::with(&format!("{}max_accounts = {max_accounts}\n{rule}", config(HERE, PER_USER)))
}

#[test]
fn accounts_beyond_the_most_are_summed_up() {
    require_lab!();
    let scene = with_accounts(5);
    let _program = users(&scene, 12);
    let own = "halfopen_half_open{scope=\"each\",account=\"each[";
    // A scrape finds out only so many names as there is time for.
    let page = until("five to have names", PATIENCE, || {
        let page = scene.page(HERE, &[]);
        (page.lines().filter(|line| line.starts_with(own)).count() == 5).then_some(page)
    });
    assert_eq!(value(&page, "halfopen_half_open{scope=\"each\",account=\"other\"}"), Some(7.0), "{page}");
    assert_eq!(value(&page, "halfopen_accounts{scope=\"each\"}"), Some(12.0), "{page}");
}

#[test]
fn ten_thousand_accounts_are_scraped_in_time() {
    require_lab!();
    let scene = with_accounts(100);
    let _program = users(&scene, 10_000);
    let took = |_| {
        let url = format!("http://{HERE}/metrics");
        scene.curl(&["--fail", "-o", "/dev/null", "-w", "%{time_total}", &url]).out.parse::<f64>().unwrap()
    };
    let all: Vec<f64> = (0..10).map(took).collect();
    println!("10,000 accounts, 100 with metrics of their own: {all:?} s");
    // The program that tests build is not optimized; HALFOPEN_BIN=target/release/halfopen measures one that is.
    let limit = if std::env::var_os("HALFOPEN_BIN").is_some() { 0.2 } else { 2.0 };
    assert!(all.iter().copied().fold(f64::INFINITY, f64::min) < limit, "{all:?}");
}

fn tool(name: &'static str) -> Option<PathBuf> {
    let path = Path::new(UNPACKED).join(name);
    let found =
        if path.is_file() { Ok(()) } else { Err(Skip::NoProgram { program: name, package: "prometheus" }) };
    Lab::required(found).then_some(path)
}

fn queries_of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn promtool_and_prometheus_take_the_metrics_and_the_rules() {
    require_lab!();
    let (Some(promtool), Some(prometheus)) = (tool("promtool"), tool("prometheus")) else { return };
    let checked = said(std::process::Command::new(&promtool).args(["check", "rules", RULES]));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let scene = Scene::with(&config(HERE, "mode = \"audit\""));
    let page = scene.directory.path().join("page");
    fs::write(&page, scene.page(HERE, &[]) + "\n").unwrap();
    let mut lint = std::process::Command::new(&promtool);
    lint.args(["check", "metrics"]).stdin(fs::File::open(&page).unwrap()).stdout(Stdio::piped());
    let lint = lint.stderr(Stdio::piped()).output().unwrap();
    assert!(lint.status.success(), "{lint:?}");
    let settings = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{RULES}']\nscrape_configs:\n  - \
         job_name: halfopen\n    static_configs:\n      - targets: ['{HERE}']\n"
    );
    fs::write(scene.directory.path().join("prometheus.yml"), settings).unwrap();
    let mut command = scene.lab.client().command(&prometheus);
    command.current_dir(scene.directory.path()).env("HOME", scene.directory.path());
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.arg("--web.listen-address=127.0.0.1:9090");
    let ready = || scene.curl(&["--fail", "http://127.0.0.1:9090/-/ready"]).code == Some(0);
    let _prometheus = Service::start(&mut command, ready).unwrap();
    let ask = |path: &str| -> Value {
        let said = scene.curl(&[&format!("http://127.0.0.1:9090/api/v1/{path}")]);
        serde_json::from_str(&said.out).unwrap()
    };
    until("a scrape", PATIENCE, || {
        let found = ask("query?query=halfopen_mode");
        let modes = found["data"]["result"].as_array()?;
        let audit = modes.iter().find(|found| found["metric"]["mode"] == "audit")?;
        (modes.len() == 3 && audit["value"][1] == "1").then_some(())
    });
    // Each rule asks for metrics that there are, and can be evaluated.
    let healthy = until("the rules to be evaluated", PATIENCE, || {
        let found = ask("rules");
        let groups = found["data"]["groups"].as_array()?.clone();
        let rules: Vec<Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert!(!healthy.is_empty() && healthy.iter().all(|rule| rule["health"] == "ok"), "{healthy:?}");
    let of_rules = healthy.iter().map(|rule| rule["query"].as_str().unwrap().to_owned());
    for query in of_rules.chain(queries_of_dashboard()) {
        let filled = query.replace("$__rate_interval", "1m").replace("$instance", ".*");
        let said = scene.curl(&[
            "-G",
            "--data-urlencode",
            &format!("query={filled}"),
            "http://127.0.0.1:9090/api/v1/query",
        ]);
        assert!(said.out.contains("\"status\":\"success\""), "{filled}: {said:?}");
        for name in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if name.starts_with("halfopen_") {
                // This daemon has no limit of the host, so it has no sample of that.
                if name == "halfopen_half_open_limit" {
                    continue;
                }
                let found = ask(&format!("query?query=count({name})"));
                assert!(found["data"]["result"][0].is_object(), "{name} of {query} is no metric");
            }
        }
    }
}
