//! The dashboard as its users see it: a scanner runs, appears, its event is opened, the limit is changed on the page, and
//! the queue drains. In Chromium, by keyboard where it matters, and judged by axe-core.
//!
//! With HALFOPEN_SCREENSHOTS=DIRECTORY, also takes the pictures of the documents.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::history::{Bounds, Lost, MinuteRow, Store};
use halfopen::runtime_dir::StateDir;
use halfopen::utc_time::UtcTime;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::desk::browser::Browser;
use testkit::desk::mounts::{changed_for, users};
use testkit::desk::{PATIENCE, ask, has, until};
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix, Skip, require_lab};

const HERE: &str = "http://127.0.0.1:4227";
/// Where `tools/packages browser` puts it.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs/axe-core/package/axe.min.js");
/// How many of the scanner's attempts are out, and how many wait.
const OUT: usize = 10;
const WAITING: usize = 60;

struct Scene {
    browser: Browser,
    limiter: Limiter,
    _scan: Dialling,
    _service: Cgroup,
    _lab: Lab,
    _directory: TempDir,
}

impl Scene {
    /// A host with an hour of history, a scanner that waits, and a browser that is logged in.
    fn new() -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let run = directory.path().join("run");
        fs::create_dir(&run).unwrap();
        remember(&directory.path().join("run-state"));
        let service = lab.cgroup().child("scan.service").unwrap();
        let config = directory.path().join("halfopen.toml");
        let path = format!("/{}/*", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let rule =
            format!("[[scope]]\nname = \"service\"\nmatch = {{ cgroup = \"{path}\" }}\nper = \"cgroup\"\n");
        let limits =
            format!("preset = \"none\"\n[host]\nhalf_open = {OUT}\nslot_life = \"5m\"\nqueue = 10000\n");
        fs::write(&config, format!("{limits}[dashboard]\nlisten = \"127.0.0.1:4227\"\n{rule}")).unwrap();
        // A host of its own name, with a user for the daemon.
        let named = "exec unshare --uts -- sh -c 'hostname web-7; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
        let program = changed_for(directory.path(), &format!("{}; {named}", users(directory.path(), true)));
        let limiter = Limiter::builder(&lab)
            .program(program)
            .config(&config)
            .run_directory(&run)
            .in_client()
            .start()
            .unwrap();
        let scan = scan(&lab, &service);
        limiter
            .await_status("the scanner to wait", PATIENCE, |status| {
                usize::try_from(status.host.queued) == Ok(WAITING)
            })
            .unwrap();
        let mut browser = Browser::start(&lab);
        browser.look(1_200, 900, false);
        let address = until("a dashboard", PATIENCE, || {
            Some(ask(&limiter, &["dashboard"])).filter(|said| said.code == Some(0)).map(|said| said.out)
        });
        browser.open(&address);
        browser.follow("main button");
        Self { browser, limiter, _scan: scan, _service: service, _lab: lab, _directory: directory }
    }
}

fn scan(lab: &Lab, service: &Cgroup) -> Dialling {
    let dead = lab.draw(&Mix { dead: OUT + WAITING, ..Mix::default() }).unwrap();
    let to: Vec<SocketAddr> = dead.destinations();
    Dialer::new(lab).cgroup(service).destinations(to).spawn().unwrap()
}

/// An hour in which a scanner began, as a recorder keeps it.
fn remember(state: &Path) {
    let now = u64::try_from(UtcTime::now().as_ms()).unwrap() / 60_000;
    let rows: Vec<MinuteRow> = (1..60_u64)
        .map(|ago| {
            let waiting = (25_u64.saturating_sub(ago)) * 2 + ago % 3;
            MinuteRow {
                minute: now - ago,
                account: "host".into(),
                scope: "host".into(),
                limit: Some(10),
                peak_half_open: (4 + ago % 5).max(waiting.min(10)),
                peak_queued: waiting,
                peak_demand: 10 + waiting,
                begun: 30 + waiting,
                established: 28,
                released: waiting / 2,
                ..MinuteRow::default()
            }
        })
        .collect();
    let bounds = Bounds { keep_days: 30, max_mib: 64 };
    let mut store = Store::open(&StateDir::at(state.to_owned()), bounds).unwrap();
    store.write(&[], &rows, &[], Lost::default()).unwrap();
}

fn has_browser() -> bool {
    has("chromium", "chromium")
}

#[test]
fn an_operator_finds_the_scanner_and_raises_the_limit() {
    require_lab!();
    if !has_browser() {
        return;
    }
    let mut scene = Scene::new();
    let browser = &mut scene.browser;
    let shows = |text: &str| format!("document.body.innerText.includes({})", json!(text));
    browser.until("the overview", &shows("Waiting now"));
    // Without another load: the event of the wait comes by itself.
    browser.until("the page to be live", &shows("Live."));
    browser.until("the event", "document.querySelector('#latest .events a') !== null");
    browser
        .until("the account", "document.querySelector('#accounts tbody').innerText.includes('scan.service')");
    browser.follow("#latest .events a");
    browser.until("who it is", &shows("lab-dial"));
    browser.follow("a[href='/settings/host.half_open']");
    browser.until("what the limit does", &shows("raise this a little"));

    // By keyboard alone.
    browser.fill("#value", "200");
    browser.press("Tab");
    assert_eq!(browser.run("document.activeElement.innerText"), "What would it have done?");
    browser.run("window.isLeft = true");
    browser.press("Enter");
    browser.until(
        "what it would have done",
        "window.isLeft === undefined && document.getElementById('preview-title') !== null",
    );
    let table = browser.run(
        "[...document.querySelectorAll('main tbody tr')].map(row => row.innerText.split('\\t').join(' '))",
    );
    let [this, that] = table.as_array().unwrap().as_slice() else { panic!("{table}") };
    // In 48 of the 59 minutes more than 10 were wanted at once, and never more than 200.
    assert!(this.as_str().unwrap().starts_with("10 1344 of 1652 756 48"), "{table}");
    assert!(that.as_str().unwrap().starts_with("200 0 of 1652 0 0"), "{table}");
    browser.follow("form[method=post] button.danger");
    browser.until("the change", &shows("Changed: it was 10 and is 200 now."));
    scene.limiter.await_status("nobody to wait", PATIENCE, |status| status.host.queued == 0).unwrap();
    let browser = &mut scene.browser;
    browser.open(&format!("{HERE}/"));
    browser.until(
        "nobody to wait",
        "document.querySelector('#now').innerText.replace(/\\s+/g, ' ').includes('Waiting now 0')",
    );
}

/// Every page, in the state that it has during a scan.
fn pages(browser: &mut Browser) -> Vec<String> {
    browser.open(&format!("{HERE}/"));
    browser.until("an event", "document.querySelector('#latest .events a') !== null");
    let href = |browser: &mut Browser, selector: &str| {
        browser
            .run(&format!("document.querySelector({}).getAttribute('href')", json!(selector)))
            .as_str()
            .unwrap()
            .to_owned()
    };
    let event = href(browser, "#latest .events a");
    let account = href(browser, "#accounts tbody a");
    let fixed = [
        "/",
        "/events",
        "/settings",
        "/settings/mode?value=audit",
        "/settings/host.half_open?value=20",
        "/history?since=1h",
        "/nothing",
    ];
    fixed.map(ToOwned::to_owned).into_iter().chain([event, account]).collect()
}

#[test]
fn everybody_can_use_every_page() {
    require_lab!();
    if !has_browser() {
        return;
    }
    let axe = fs::read_to_string(AXE).ok();
    let found =
        axe.as_ref().map(drop).ok_or(Skip::NoProgram { program: "axe-core", package: "axe-core of npm" });
    if !Lab::required(found) {
        return;
    }
    let axe = axe.unwrap();
    let mut scene = Scene::new();
    let browser = &mut scene.browser;
    for path in pages(browser) {
        for (width, is_dark) in [(1_200, false), (1_200, true), (360, false)] {
            browser.look(width, 800, is_dark);
            browser.open(&format!("{HERE}{path}"));
            let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert_eq!(browser.run(fits), true, "{path} is wider than {width}");
            browser.run(&format!("(() => {{ {axe} }})() ?? true"));
            let found = browser.run("axe.run().then(found => found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' ')))");
            assert_eq!(found, json!([]), "{path}, {width} wide, dark: {is_dark}");
        }
    }
}

#[test]
fn nothing_is_asked_for_elsewhere_and_the_console_stays_empty() {
    require_lab!();
    if !has_browser() {
        return;
    }
    let mut scene = Scene::new();
    let browser = &mut scene.browser;
    for path in pages(browser) {
        browser.open(&format!("{HERE}{path}"));
        let asked = browser.run("performance.getEntriesByType('resource').map(entry => entry.name)");
        let all = asked.as_array().unwrap();
        assert!(all.iter().all(|url| url.as_str().unwrap().starts_with(HERE)), "{path}: {asked}");
        // A style or script that the policy refuses would be missing.
        assert_eq!(
            browser.run("getComputedStyle(document.querySelector('header')).display"),
            "flex",
            "{path}"
        );
    }
}

#[test]
fn pictures_of_the_documents() {
    require_lab!();
    let Some(place) = std::env::var_os("HALFOPEN_SCREENSHOTS").map(PathBuf::from) else { return };
    let mut scene = Scene::new();
    let browser = &mut scene.browser;
    let all = pages(browser);
    let account = all.last().unwrap().clone();
    for (name, path, width, height, is_dark) in [
        ("dashboard", "/", 1_000, 760, false),
        ("dashboard-dark", account.as_str(), 1_000, 760, true),
        ("dashboard-setting", "/settings/host.half_open?value=20", 1_000, 860, false),
        ("dashboard-phone", "/", 390, 760, true),
    ] {
        browser.look(width, height, is_dark);
        browser.open(&format!("{HERE}{path}"));
        fs::write(place.join(format!("{name}.png")), browser.screenshot()).unwrap();
    }
}
