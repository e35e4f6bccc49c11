//! A page of sixty resources on thirty names, and a browser that loads it.

mod content;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::names::{Names, Record};
use crate::service::Service;
use crate::{Cgroup, Family, HostKind, Lab, LabError, Mix, bounded};

pub use content::RESOURCES;

/// How many names the page's resources are spread over, its own among them.
pub const NAMES: usize = 30;
/// How many of the names have an AAAA record besides.
const BOTH_FAMILIES: usize = 6;
/// The port that the lab's own listener leaves free.
pub const WEB: u16 = 8080;

/// The page on its server (nginx), and the names (dnsmasq), in a lab's world. Each name has a live address of its own.
#[derive(Debug)]
pub struct Page {
    names: Names,
    _web: Service,
    _directory: TempDir,
    addresses: Vec<Record>,
}

/// One load of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// From the start of the navigation to the page's load event, by the browser's own clock; `None` if the page was not
    /// loaded in time.
    pub load: Option<Duration>,
    /// How many of the [`RESOURCES`] came.
    pub resources: usize,
    /// How many the browser says it could not get.
    pub failed: usize,
    /// From the start of the browser's process to its end.
    pub wall: Duration,
    /// What the browser said, for when something went wrong.
    pub said: String,
}

/// What the page writes into itself.
#[derive(Deserialize)]
struct Measured {
    load_ms: Option<f64>,
    got: usize,
    failed: usize,
}

impl Page {
    /// Draws live hosts for the names and serves the page on them.
    ///
    /// # Errors
    /// When a host cannot be drawn or a server does not start.
    pub fn serve(lab: &Lab) -> Result<Self, LabError> {
        let draw = |live, family| lab.draw(&Mix { live, family, ..Mix::default() });
        let (v4, v6) = (draw(NAMES, Family::V4)?, draw(BOTH_FAMILIES, Family::V6)?);
        let record = |(number, address): (usize, &SocketAddr)| Record {
            name: content::name(number),
            address: address.ip(),
        };
        let (v4, v6) = (v4.of(HostKind::Live), v6.of(HostKind::Live));
        // Every fifth name has both.
        let v6 = v6
            .iter()
            .enumerate()
            .map(|(number, address)| record((number * (NAMES / BOTH_FAMILIES), address)));
        let addresses: Vec<Record> = v4.iter().enumerate().map(record).chain(v6).collect();
        let directory = tempfile::tempdir().map_err(LabError::io("make a directory for the page"))?;
        content::write(&directory.path().join("root"))
            .map_err(LabError::io(format!("write the page into {}", directory.path().display())))?;
        Ok(Self {
            names: Names::serve(lab, &addresses)?,
            _web: web_server(lab, directory.path(), WEB)?,
            _directory: directory,
            addresses,
        })
    }

    /// The names, and where they are.
    #[must_use]
    pub fn addresses(&self) -> &[Record] {
        &self.addresses
    }

    /// The name server, and who asked it for what.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Loads the page once with Chromium, with an empty profile, in a cgroup below `cgroup`, so that accounts that are
    /// made for `cgroup` have it. Ends the browser after `limit`.
    ///
    /// # Errors
    /// When the browser cannot be run. A page that does not come is no error.
    pub fn load(&self, lab: &Lab, cgroup: &Cgroup, limit: Duration) -> Result<Loaded, LabError> {
        let profile = tempfile::tempdir().map_err(LabError::io("make a profile for the browser"))?;
        // Dropped after the browser has ended: ends what the browser has left behind.
        let own = cgroup.child("browser")?;
        let mut command = self.names.command_in(lab, &own, "chromium");
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // It shows what it has when a little less than the limit is over.
            .arg(format!("--timeout={}", limit.saturating_sub(CLOSING).as_millis()))
            .args(["--dump-dom", &format!("http://{}:{WEB}/", content::name(0))])
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path())
            .env("XDG_RUNTIME_DIR", profile.path())
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:")
            .env("DBUS_SYSTEM_BUS_ADDRESS", "disabled:");
        let ran = bounded::run_within(&mut command, limit)?;
        drop(own);
        let measured =
            content::measured(&ran.stdout).and_then(|text| serde_json::from_str::<Measured>(text).ok());
        let seconds = measured.as_ref().and_then(|measured| measured.load_ms).map(|ms| ms / 1e3);
        Ok(Loaded {
            load: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            resources: measured.as_ref().map_or(0, |measured| measured.got),
            failed: measured.as_ref().map_or(0, |measured| measured.failed),
            wall: ran.wall,
            said: ran.stderr,
        })
    }
}

/// How long before the limit the browser is to show what it has.
const CLOSING: Duration = Duration::from_secs(5);

/// As a user's browser, but without a screen and without what it does in the background for its maker. The sandbox is off
/// because root has none; TLS is not tried first, as nobody would answer on its port.
pub(crate) const FLAGS: [&str; 18] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--metrics-recording-only",
    "--no-pings",
    "--password-store=basic",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter,Translate,\
     LocalNetworkAccessChecks,AutofillServerCommunication,CertificateTransparencyComponentUpdater",
];

/// nginx on all addresses of the world, for the files in `directory/root`.
///
/// # Errors
/// When it does not start.
pub fn web_server(lab: &Lab, directory: &Path, port: u16) -> Result<Service, LabError> {
    let shown = directory.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {shown}/{kind};\n"))
        .concat();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {shown}/pid;\nerror_log stderr error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off;\ntypes {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; }}\n\
         {temporary}server {{ listen 0.0.0.0:{port} backlog=4096; listen [::]:{port} backlog=4096;\n\
         root {shown}/root; }} }}\n"
    );
    let file = directory.join("nginx.conf");
    std::fs::write(&file, configuration).map_err(LabError::io(format!("write {}", file.display())))?;
    let mut command = lab.world().command("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(&file).args(["-e", "stderr"]);
    Service::listening(&mut command, lab.world(), SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
