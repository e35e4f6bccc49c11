//! What the daemon and its processes take of a processor with all of it on and a page of the dashboard open: at rest, at
//! a thousand attempts a second that are answered, and at as many of a scanner that wait, or would.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::{Dialer, Lab, Limiter, Mix, Service, Spread};

use crate::kernel::report::{Aim, Row};
use halfopen_bench::peers::processor_time;

const METRICS: &str = "127.0.0.1:4226";
const DASHBOARD: &str = "127.0.0.1:4227";
const SCRAPES: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(30);
const ATTEMPTS_PER_S: u32 = 1_000;
/// After which a scanner gives an address up.
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_AT_REST: f64 = 1.0;
const MOST_AT_WORK: f64 = 5.0;

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let limiter = Limiter::builder(&lab)
        .set("preset", "adaptive")
        .set("metrics.listen", METRICS)
        .set("dashboard.listen", DASHBOARD)
        .in_client()
        .start()?;
    let mut daemon = Daemon { lab: &lab, limiter, rows: Vec::new() };
    let _page = daemon.open_page()?;
    daemon.measure("at rest", MOST_AT_REST)?;
    let scanned = Mix { dead: 100, ..Mix::default() };
    for (kind, mode, mix) in [
        ("answered", "enforce", Mix { live: 100, ..Mix::default() }),
        ("of a scanner, which wait", "enforce", scanned),
        ("of a scanner in audit mode, whose waits are learned", "audit", scanned),
    ] {
        daemon.limiter.set("mode", mode)?;
        let hosts = lab.draw(&mix)?.destinations();
        let dials = ATTEMPTS_PER_S as usize * (SETTLE + TIME * 2).as_secs() as usize;
        let destinations = hosts.into_iter().cycle().take(dials).collect::<Vec<SocketAddr>>();
        let dialling = Dialer::new(&lab)
            .destinations(destinations)
            .dials_per_s(f64::from(ATTEMPTS_PER_S))
            .at_a_time(2 * ATTEMPTS_PER_S as usize * PATIENCE.as_secs() as usize)
            .patience(PATIENCE)
            .close_when_connected()
            .spawn()?;
        daemon.measure(&format!("{ATTEMPTS_PER_S} attempts/s {kind}"), MOST_AT_WORK)?;
        drop(dialling);
    }
    let Daemon { limiter, rows, .. } = daemon;
    limiter.stop()?;
    Ok(rows)
}

struct Daemon<'a> {
    lab: &'a Lab,
    limiter: Limiter,
    rows: Vec<Row>,
}

impl Daemon<'_> {
    fn curl(&self, arguments: &[&str]) -> Command {
        let mut curl = self.lab.client().command("curl");
        curl.args(["--silent", "--show-error", "--fail"]).args(arguments);
        curl
    }

    /// The overview's stream of changes, as a browser that shows the page reads it.
    fn open_page(&self) -> Result<Service> {
        let token = said(self.limiter.command().arg("dashboard"))?;
        let token = token.trim().rsplit('/').next().context("`halfopen dashboard` names no address")?;
        let url = |path: &str| format!("http://{DASHBOARD}{path}");
        let form = format!("token={token}");
        let origin = format!("Origin: {}", url(""));
        let arguments = ["-D", "-", "-o", "/dev/null", "-H", &origin, "--data", &form, &url("/login")];
        let login = said(&mut self.curl(&arguments))?;
        let cookie = login.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).context("no cookie")?;
        let cookie = format!("Cookie: {cookie}");
        let page = said(&mut self.curl(&["-H", &cookie, &url("/")]))?;
        let stream = page.split("data-live=\"").nth(1).and_then(|rest| rest.split('"').next());
        let stream = stream.context("the overview has no stream")?;
        Ok(Service::start(&mut self.curl(&["--no-buffer", "-H", &cookie, &url(stream)]), || true)?)
    }

    /// The share of one processor in a time of its own, with a scrape every few seconds.
    fn measure(&mut self, what: &str, most: f64) -> Result<()> {
        thread::sleep(SETTLE);
        let processes = family_of(self.limiter.pid());
        let seen = || {
            self.limiter.status().map(|status| {
                let host = status.host;
                // In audit mode each is admitted.
                host.admitted + host.released + host.queued + host.cancelled + host.refused_overflow
            })
        };
        let (began, before, attempts) = (Instant::now(), processor_time::of(&processes)?, seen()?);
        while began.elapsed() < TIME {
            said(&mut self.curl(&["-o", "/dev/null", &format!("http://{METRICS}/metrics")]))?;
            thread::sleep(SCRAPES);
        }
        let took = processor_time::of(&processes)?.saturating_sub(before);
        let elapsed = began.elapsed().as_secs_f64();
        let note =
            format!("{} processes; {:.0} attempts/s", processes.len(), (seen()? - attempts) as f64 / elapsed);
        ensure!(most <= MOST_AT_REST || seen()? > attempts, "{what}: no attempt was made");
        self.rows.push(Row {
            what: format!("all of the daemon's processes, {what}, a page open"),
            aim: Some(Aim::Below(most)),
            value: Spread::of([took.as_secs_f64() / elapsed * 100.0]),
            unit: " %",
            decimals: 2,
            note,
        });
        Ok(())
    }
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A process and its descendants.
fn family_of(process: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    std::iter::once(process).chain(children.flat_map(family_of)).collect()
}
