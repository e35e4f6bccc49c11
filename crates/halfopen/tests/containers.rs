//! In a container of Podman, by the command of docs/use/containers.md, the program limits the host as it does outside.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::{Resource, getrlimit};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testkit::desk::{PATIENCE, Said, has, program, said, until};
use testkit::{Dialer, Lab, Mix, require_lab};

const LIMIT: u32 = 5;
const DIALLED: u32 = 30;

/// A place for containers, apart from those of the host.
struct Podman {
    directory: tempfile::TempDir,
    lab: Lab,
    name: String,
    running: Option<Child>,
}

impl Podman {
    fn new() -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let name = format!("halfopen-{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let at = |name: &str| directory.path().join(name);
        for made in ["root", "run", "state", "etc", "storage", "storage-run", "rootfs"] {
            fs::create_dir(at(made)).unwrap();
        }
        for made in ["usr", "etc", "proc", "sys", "dev", "run", "tmp", "opt"] {
            fs::create_dir(at("rootfs").join(made)).unwrap();
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{link}"), at("rootfs").join(link)).unwrap();
        }
        fs::write(at("rootfs/etc/passwd"), "root:x:0:0::/:/bin/sh\nhalfopen:x:4226:4226::/:/bin/false\n")
            .unwrap();
        let configuration = format!(
            "preset = \"xp-sp2\"\npersist = true\n[host]\nhalf_open = {LIMIT}\ndrain = \"unlimited\"\nslot_life = \"10m\"\n"
        );
        fs::write(at("etc/halfopen.toml"), configuration).unwrap();
        Self { directory, lab, name, running: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn podman(&self) -> Command {
        let mut podman = Command::new("podman");
        podman.arg("--root").arg(self.path("storage")).arg("--runroot").arg(self.path("storage-run"));
        // What works without systemd, and beside cgroups of version 1.
        podman.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        podman
    }

    /// The command of the document without its options that are in `left_out`.
    fn run(&self, left_out: &[&str]) -> Command {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/use/containers.md");
        let page = fs::read_to_string(page).unwrap();
        let (_, command) = page.split_once("```text\npodman run ").unwrap();
        let (command, _) = command.split_once("```").unwrap();
        let mut podman = self.podman();
        podman.args(["run", "--rm"]);
        // A test may have less than podman would give.
        for (name, of) in [("nofile", Resource::Nofile), ("nproc", Resource::Nproc)] {
            let most = getrlimit(of).maximum.unwrap_or(4096).min(4096);
            podman.args(["--ulimit", &format!("{name}={most}:{most}")]);
        }
        podman.arg("-v").arg("/usr:/usr:ro");
        podman
            .arg("-v")
            .arg(format!("{}:/opt/halfopen:ro", program().display()))
            .args(["-e", "PATH=/opt:/usr/bin"]);
        podman.arg("-e").arg(format!("HALFOPEN_PIN_DIR={}", self.lab.pins().display()));
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (option, value) = match word {
                "-v" | "--name" => (Some(word), words.next().unwrap()),
                _ => (None, word),
            };
            if left_out.iter().any(|out| value.starts_with(out)) {
                continue;
            }
            podman.args(option);
            match value {
                "halfopen" if option == Some("--name") => podman.arg(&self.name),
                "/run/halfopen:/run/halfopen" => {
                    podman.arg(format!("{}:/run/halfopen", self.path("run").display()))
                }
                "/var/lib/halfopen:/var/lib/halfopen" => {
                    podman.arg(format!("{}:/var/lib/halfopen", self.path("state").display()))
                }
                "/etc/halfopen:/etc/halfopen:ro" => {
                    podman.arg(format!("{}:/etc/halfopen:ro", self.path("etc").display()))
                }
                "IMAGE" => podman.arg("--rootfs").arg(self.path("rootfs")),
                other => podman.arg(other),
            };
        }
        podman.arg("--cgroup").arg(Path::new("/").join(self.lab.cgroup().path().file_name().unwrap()));
        podman
    }

    fn start(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = self.run(&[]);
        let mut running = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        until("the daemon in the container", PATIENCE, || {
            if let Some(ended) = running.try_wait().unwrap() {
                panic!("{ended}: {}", fs::read_to_string(self.path("log")).unwrap());
            }
            (self.ask(&["status"]).code == Some(0)).then_some(())
        });
        self.running = Some(running);
    }

    /// Asks from outside, through the socket that is mounted.
    fn ask(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(program());
        command.env("HALFOPEN_RUN_DIR", self.path("run")).env("HALFOPEN_PIN_DIR", self.lab.pins());
        said(command.args(arguments))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ask(&["status", "--json"]).out).unwrap()
    }

    fn ends(&mut self, arguments: &[&str]) {
        let ended = said(self.podman().args(arguments).arg(&self.name));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let mut running = self.running.take().unwrap();
        until("the container to end", PATIENCE, || running.try_wait().unwrap());
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = said(self.podman().args(["rm", "--force", "--time", "1", "--ignore", &self.name]));
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

fn is_there() -> bool {
    has("podman", "podman") && has("runc", "runc")
}

#[test]
fn it_limits_the_host_and_is_asked_from_outside() {
    require_lab!();
    if !is_there() {
        return;
    }
    let mut podman = Podman::new();
    podman.start();
    let dead = podman.lab.draw(&Mix { dead: DIALLED as usize, ..Mix::default() }).unwrap();
    let dialling = Dialer::new(&podman.lab).destinations(dead.destinations()).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let waiting = u64::from(DIALLED - LIMIT);
    let status = until("the rest to wait", PATIENCE, || {
        Some(podman.status()).filter(|status| status["host"]["queued"] == waiting)
    });
    assert_eq!(status["degraded"], Value::Array(Vec::new()), "{status}");
    let named = &status["programs"][0];
    assert_eq!(
        named["cgroup"].as_str().unwrap().trim_start_matches('/'),
        podman.lab.cgroup().path().file_name().unwrap()
    );
    assert!(named["exe"].is_string(), "{status}");

    podman.ends(&["kill", "--signal", "KILL"]);
    let unwatched = podman.ask(&["status"]);
    assert_eq!(unwatched.code, Some(1), "{unwatched:?}");
    assert!(unwatched.out.starts_with("No daemon answers, but the limit pinned in "), "{unwatched:?}");
    podman.start();
    assert_eq!(podman.status()["host"]["queued"], waiting);

    podman.ends(&["stop", "--time", "60"]);
    assert!(!podman.lab.pins().exists());
    assert!(fs::read_to_string(podman.path("log")).unwrap().contains("held attempts let go: 25"));
}

#[test]
fn what_it_lacks_is_refused_with_the_reason() {
    require_lab!();
    if !is_there() {
        return;
    }
    let podman = Podman::new();
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--cgroupns=", "/sys/fs/cgroup:"], &["in a cgroup namespace of its own", "--cgroupns=host"]),
        (&["/sys/fs/bpf:"], &["no BPF file system is mounted there"]),
        (&["--cap-add="], &["run as root"]),
    ];
    for (left_out, named) in cases {
        let mut command = podman.run(left_out);
        if left_out[0] == "--cgroupns=" {
            // Beside cgroups of version 1, podman chooses the host's, and mounts those of version 1 alone.
            let with: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let at = with.iter().position(|word| word == "run").unwrap();
            let program = with.iter().rposition(|word| word == "halfopen").unwrap();
            let mount = "mount -t cgroup2 none /tmp && exec \"$0\" \"$@\"";
            command = Command::new("podman");
            command.args(&with[..=at]).arg("--cgroupns=private").args(&with[at + 1..program]);
            command.args(["sh", "-c", mount]).args(&with[program..]);
        }
        let refused = said(&mut command);
        assert_eq!(refused.code, Some(3), "{left_out:?}: {refused:?}");
        for named in named {
            assert!(refused.error.contains(named), "{named:?} in {refused:?}");
        }
    }
}
