//! The recipes of docs/use/recipes.md do what their headings say.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use testkit::desk::mounts::changed_for;
use testkit::desk::{PATIENCE, ask_well, program, until};
use testkit::dial::Outcome;
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix, require_lab};

const PAGE: &str = include_str!("../../../docs/use/recipes.md");
/// Where the page's cgroups begin: in the lab, they are below its own.
const TOPS: [&str; 5] = ["\"/user.slice", "\"/kubepods", "\"/system.slice", "\"/docker", "\"/machine.slice"];

struct Host {
    limiter: Limiter,
    directory: tempfile::TempDir,
    lab: Lab,
}

/// The configuration below the heading that begins so.
fn recipe(heading: &str) -> &'static str {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

impl Host {
    /// `changed`: what the page names, and what the lab has instead.
    fn with(heading: &str, changed: impl FnOnce(&Lab) -> Vec<(&'static str, String)>) -> Self {
        Self::in_mounts(heading, changed, None)
    }

    /// `mounts`: what to mount before the limiter starts, in which DIRECTORY is the test's own.
    fn in_mounts(
        heading: &str,
        changed: impl FnOnce(&Lab) -> Vec<(&'static str, String)>,
        mounts: Option<&str>,
    ) -> Self {
        let lab = Lab::new().unwrap();
        let top = format!("\"/{}", lab.cgroup().path().file_name().unwrap().display());
        let changed = changed(&lab);
        let text = changed.iter().fold(recipe(heading).to_owned(), |text, (from, to)| text.replace(from, to));
        let text = TOPS.iter().fold(text, |text, from| text.replace(from, &from.replacen('"', &top, 1)));
        // The preset's accounts, one level further down.
        let accounts = format!(
            "preset = \"adaptive\"\n[[scope]]\nname = \"adaptive\"\nper = \"cgroup\"\nfirst_contacts = 32\n\
             match = {{ cgroup = [{top}/kubepods*/*/*\", {top}/*/*\", {top}/*\", \"/\"] }}\n"
        );
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("halfopen.toml");
        fs::write(&config, accounts).unwrap();
        fs::create_dir(directory.path().join("conf.d")).unwrap();
        fs::write(directory.path().join("conf.d/20-recipe.toml"), text).unwrap();
        let builder = Limiter::builder(&lab).config(&config);
        let builder = match mounts {
            None => builder.program(program()),
            Some(mounts) => {
                let mounts = mounts.replace("DIRECTORY", &directory.path().display().to_string());
                builder.program(changed_for(directory.path(), &mounts)).own_mounts(program())
            }
        };
        let limiter = builder.start().unwrap();
        Self { limiter, directory, lab }
    }

    fn cgroups<const N: usize>(&self, path: [&str; N]) -> Vec<Cgroup> {
        let mut made: Vec<Cgroup> = Vec::new();
        for name in path {
            let above = made.last().unwrap_or_else(|| self.lab.cgroup());
            made.push(above.child(name).unwrap());
        }
        made
    }

    fn dial(&self, cgroup: &Cgroup, to: Vec<SocketAddr>) -> Dialling {
        let dialling = Dialer::new(&self.lab).destinations(to).cgroup(cgroup).spawn().unwrap();
        dialling.await_all_dialled(PATIENCE).unwrap();
        dialling
    }

    fn dead(&self, count: usize) -> Vec<SocketAddr> {
        self.lab.draw(&Mix { dead: count, ..Mix::default() }).unwrap().destinations()
    }

    fn live(&self, count: usize) -> Vec<SocketAddr> {
        self.lab.draw(&Mix { live: count, ..Mix::default() }).unwrap().destinations()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&ask_well(&self.limiter, &["status", "--json"])).unwrap()
    }

    fn scopes(&self) -> Vec<Value> {
        self.status()["scopes"].as_array().unwrap().clone()
    }

    /// How many attempts of the account whose name begins and ends so went out, and how many wait.
    fn account(&self, start: &str, end: &str) -> (u64, u64) {
        let is_it = |scope: &&Value| {
            scope["name"].as_str().is_some_and(|name| name.starts_with(start) && name.ends_with(end))
        };
        let number = |scope: &Value, field: &str| scope[field].as_u64().unwrap();
        let found =
            self.scopes().iter().find(is_it).map(|scope| {
                (number(scope, "admitted") + number(scope, "released"), number(scope, "queued"))
            });
        found.unwrap_or((0, 0))
    }
}

fn outcomes(dialling: &Dialling, outcome: Outcome) -> usize {
    dialling.await_all_done(PATIENCE).unwrap().iter().filter(|report| report.outcome == outcome).count()
}

#[test]
fn each_user_has_twenty_strangers_a_minute() {
    require_lab!();
    let host = Host::with("Each user of a shell host", |_| Vec::new());
    let slice = host.cgroups(["user.slice"]).remove(0);
    let [one, two] = ["user-1000.slice", "user-1001.slice"].map(|name| slice.child(name).unwrap());
    let _scan = host.dial(&one, host.dead(60));
    let found = until("waiters", PATIENCE, || {
        Some(host.account("users[", "user-1000.slice]")).filter(|found| found.0 + found.1 == 60)
    });
    // Twenty at once; more come back while the test looks.
    assert!((20..40).contains(&found.0), "{found:?}");
    let other = host.dial(&two, host.live(20));
    assert_eq!(outcomes(&other, Outcome::Connected), 20, "another user has twenty of their own");
    // Whatever is answered: all of these have answered, and the next are strangers.
    let more = host.dial(&two, host.dead(40));
    let found = until("waiters", PATIENCE, || {
        Some(host.account("users[", "user-1001.slice]")).filter(|found| found.1 > 20)
    });
    assert!(found.0 < 40, "{found:?}");
    drop(more);
}

#[test]
fn each_pod_has_twenty_half_open() {
    require_lab!();
    let host = Host::with("Each pod", |_| Vec::new());
    let burstable =
        host.cgroups(["kubepods.slice", "kubepods-burstable.slice", "kubepods-burstable-pod1.slice"]);
    let guaranteed = burstable[0].child("kubepods-pod2.slice").unwrap();
    let container = guaranteed.child("cri-containerd-3.scope").unwrap();
    for (cgroup, name) in [(&burstable[2], "burstable-pod1.slice]"), (&container, "kubepods-pod2.slice]")] {
        let scan = host.dial(cgroup, host.dead(30));
        let found = until("waiters", PATIENCE, || {
            Some(host.account("pods[", name)).filter(|found| found.0 + found.1 == 30)
        });
        assert!(found.0 >= 20 && found.1 > 0, "{name}: {found:?}");
        drop(scan);
    }
}

/// Docker's files, in the place of the host's.
const DOCKER: &str = "mkdir DIRECTORY/docker; mount -t tmpfs none /var/lib; mkdir -p /var/lib/docker/containers; \
                      mount --bind DIRECTORY/docker /var/lib/docker/containers";

impl Host {
    /// What Docker does when it starts a container.
    fn start_container(&self, docker: &Cgroup, number: u8, name: &str, role: &str) -> Cgroup {
        let place = self.directory.path().join(format!("docker/{number:064x}"));
        fs::create_dir(&place).unwrap();
        let parent = self.lab.cgroup().path().file_name().unwrap().display().to_string();
        fs::write(place.join("hostconfig.json"), format!("{{\"CgroupParent\":\"/{parent}/docker\"}}"))
            .unwrap();
        self.name_container(number, name, role);
        docker.child(format!("{number:064x}")).unwrap()
    }

    fn name_container(&self, number: u8, name: &str, role: &str) {
        let said = format!(
            "{{\"ID\":\"{number:064x}\",\"Name\":\"/{name}\",\"Config\":{{\"Labels\":{{\"role\":\"{role}\"}}}}}}"
        );
        let file = self.directory.path().join(format!("docker/{number:064x}/config.v2.json"));
        fs::write(file, said).unwrap();
    }

    fn until_containers_are_seen(&self, times: usize) {
        until("the containers to be seen", PATIENCE, || {
            let seen = self
                .limiter
                .stderr()
                .matches("containers that rules name have started or ended: of ")
                .count();
            (seen >= times).then_some(())
        });
    }

    /// How many of 30 dials are charged to the rule's account of the container.
    fn charged(&self, container: &Cgroup) -> u64 {
        let name = format!("{}]", container.path().file_name().unwrap().display());
        let (out, waiting) = self.account("containers[", &name);
        let scan = self.dial(container, self.dead(30));
        let now = self.account("containers[", &name);
        drop(scan);
        now.0 + now.1 - out - waiting
    }
}

#[test]
fn all_containers_but_one_by_its_name_or_label() {
    require_lab!();
    let by_label = ("container = \"crawler\"", "label = \"role=free\"".to_owned());
    for changed in [Vec::new(), vec![by_label]] {
        let host = Host::in_mounts("All Docker containers", |_| changed, Some(DOCKER));
        let docker = host.cgroups(["docker"]).remove(0);
        let web = host.start_container(&docker, 1, "web", "front");
        assert_eq!(host.charged(&web), 30);
        let free = host.start_container(&docker, 2, "crawler", "free");
        host.until_containers_are_seen(1);
        assert_eq!(host.charged(&free), 0);
        host.name_container(2, "other", "back");
        host.until_containers_are_seen(2);
        assert_eq!(host.charged(&free), 30);
    }
}

#[test]
fn one_container_alone_by_its_name_or_label() {
    require_lab!();
    let condition =
        "{ cgroup = [\"/system.slice/docker-*\", \"/docker/*\"], not = { container = \"crawler\" } }";
    for one in ["{ container = \"web\" }", "{ label = \"role=front\" }"] {
        let changed = vec![(condition, one.to_owned())];
        let host = Host::in_mounts("All Docker containers", |_| changed, Some(DOCKER));
        let docker = host.cgroups(["docker"]).remove(0);
        let other = host.start_container(&docker, 2, "crawler", "back");
        let web = host.start_container(&docker, 1, "web", "front");
        host.until_containers_are_seen(1);
        let name = web.path().file_name().unwrap().display().to_string();
        assert!(host.limiter.stderr().contains(&format!("/docker/{name}")), "{}", host.limiter.stderr());
        assert_eq!((host.charged(&web), host.charged(&other)), (30, 0), "{one}");
        // It is the name that counts, not the cgroup.
        host.name_container(1, "other", "back");
        host.until_containers_are_seen(2);
        assert_eq!(host.charged(&web), 0, "{one}");
    }
}

/// Dials as user `uid`, who asks nobody: a rule by user needs no session.
fn dial_as(host: &Host, uid: u32, to: &[SocketAddr]) -> std::process::Child {
    const DIAL: &str = "import socket, sys\nheld = []\nfor to in sys.argv[1:]:\n    host, port = to.rsplit(':', 1)\n    \
                        held.append(socket.socket())\n    held[-1].setblocking(False)\n    \
                        held[-1].connect_ex((host, int(port)))\nsys.stdin.read()\n";
    let mut command = host.lab.client().command_in(host.lab.cgroup(), "setpriv");
    let user = uid.to_string();
    command.args([
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "--",
        "/usr/bin/python3",
        "-c",
        DIAL,
    ]);
    command.args(to.iter().map(ToString::to_string));
    command.stdin(std::process::Stdio::piped()).spawn().unwrap()
}

#[test]
fn without_systemd_too_each_user_has_their_own_twenty() {
    require_lab!();
    let by_user = vec![
        ("\"/user.slice/user-*.slice\"", "\"/\"".to_owned()),
        ("per = \"cgroup\"", "per = \"user\"".to_owned()),
    ];
    let host = Host::with("Each user of a shell host", |_| by_user);
    let mut dialling: Vec<std::process::Child> = Vec::new();
    for uid in [64_101, 64_102] {
        dialling.push(dial_as(&host, uid, &host.dead(60)));
        let found = until("waiters", PATIENCE, || {
            Some(host.account("users[", &format!("[user {uid}]"))).filter(|found| found.0 + found.1 == 60)
        });
        assert!((20..40).contains(&found.0), "user {uid}: {found:?}");
    }
    for mut dialler in dialling {
        drop(dialler.stdin.take());
        assert!(dialler.wait().unwrap().success());
    }
}

#[test]
fn the_credit_of_all_accounts_is_read_and_changed_by_one_key() {
    require_lab!();
    let host = Host::with("More credit", |_| Vec::new());
    assert_eq!(host.limiter.get("accounts.first_contacts").unwrap(), "64");
    let told = ask_well(&host.limiter, &["set", "accounts.first_contacts", "8"]);
    assert_eq!(told, "scope.adaptive.first_contacts = 8 (was 64)");
    assert_eq!(host.limiter.get("accounts.first_contacts").unwrap(), "8");
    let service = host.cgroups(["system.slice"]).remove(0);
    let _scan = host.dial(&service, host.dead(60));
    let found = until("waiters", PATIENCE, || {
        Some(host.account("adaptive[", "system.slice]")).filter(|found| found.0 + found.1 == 60)
    });
    assert!((8..32).contains(&found.0), "{found:?}");
}

#[test]
fn the_ipfs_daemon_is_free() {
    require_lab!();
    let host = Host::with("The IPFS daemon", |_| Vec::new());
    let services = host.cgroups(["system.slice"]).remove(0);
    let [ipfs, other] = ["ipfs.service", "other.service"].map(|name| services.child(name).unwrap());
    let free = host.dial(&ipfs, host.dead(120));
    until("all to be out", PATIENCE, || (host.account("ipfs[", "]") == (120, 0)).then_some(()));
    let held = host.dial(&other, host.dead(120));
    until("others to wait", PATIENCE, || (host.account("adaptive[", "]").1 > 60).then_some(()));
    drop((free, held));
}

#[test]
fn nothing_goes_to_the_private_network() {
    require_lab!();
    let host = Host::with("Nothing to", |_| vec![("10.0.0.0/8", "198.18.0.0/15".to_owned())]);
    let dialling = host.dial(host.lab.cgroup(), host.live(5));
    let reports = dialling.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome != Outcome::Connected), "{reports:?}");
    assert_eq!(host.status()["deny"][0]["denied"], 5, "{}", host.status());
}

#[test]
fn what_goes_to_the_private_network_is_not_counted() {
    require_lab!();
    let host = Host::with("Not counted", |_| vec![("10.0.0.0/8", "198.18.0.0/15".to_owned())]);
    let _dialling = host.dial(host.lab.cgroup(), host.dead(60));
    assert_eq!(host.status()["host"]["admitted"], 0);
    assert_eq!(host.limiter.get("exempt").unwrap(), "127.0.0.0/8, 198.18.0.0/15, ::1/128");
}

#[test]
fn everybody_has_more_credit() {
    require_lab!();
    let host = Host::with("More credit", |_| Vec::new());
    let service = host.cgroups(["system.slice"]).remove(0);
    let _scan = host.dial(&service, host.dead(120));
    let found = until("waiters", PATIENCE, || {
        Some(host.account("adaptive[", "system.slice]")).filter(|found| found.0 + found.1 == 120)
    });
    assert!((64..90).contains(&found.0), "{found:?}");
}

#[test]
fn a_suspect_is_blocked_and_its_neighbour_and_the_backup_are_not() {
    require_lab!();
    let host = Host::with("Suspects cannot", |_| Vec::new());
    let services = host.cgroups(["system.slice"]).remove(0);
    let [scan, other, backup] =
        ["scan.service", "other.service", "backup.service"].map(|name| services.child(name).unwrap());
    let scans = [&scan, &backup].map(|cgroup| host.dial(cgroup, host.dead(80)));
    until("both to be suspects, and one blocked", PATIENCE, || {
        let scopes = host.scopes();
        let suspects = scopes.iter().filter(|scope| scope["suspect_since"].is_string());
        let blocked = scopes.iter().filter(|scope| scope["blocked_until"].is_string());
        let blocked: Vec<&str> = blocked.map(|scope| scope["name"].as_str().unwrap()).collect();
        (suspects.count() >= 2 && matches!(blocked.as_slice(), [one] if one.contains("scan"))).then_some(())
    });
    let connected = |cgroup: &Cgroup| outcomes(&host.dial(cgroup, host.live(3)), Outcome::Connected);
    assert_eq!(connected(&scan), 0);
    assert_eq!(connected(&other), 3);
    drop(scans);
}
