//! The files and the socket of the real Podman name its containers.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

#[path = "container_names/scene.rs"]
mod scene;

use scene::Scene;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use testkit::desk::{PATIENCE, has, said, until};
use testkit::require_lab;

/// A container of the real Podman below a root of its own, and its API service.
struct Podman {
    root: PathBuf,
    name: String,
    service: Option<Child>,
}

impl Podman {
    fn command(&self) -> Command {
        let mut podman = Command::new("podman");
        let at = |path: &str| self.root.join(path);
        podman.arg("--root").arg(at("var/lib/containers/storage")).arg("--runroot").arg(at("runroot"));
        // What works without systemd, and beside cgroups of version 1.
        podman.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        podman
    }

    /// Returns its number.
    fn start(root: &Path, name: &str) -> (Self, String) {
        let podman = Self { root: root.to_owned(), name: name.to_owned(), service: None };
        let rootfs = root.join("rootfs");
        for made in ["usr", "etc", "proc", "sys", "dev", "run", "tmp"] {
            fs::create_dir_all(rootfs.join(made)).unwrap();
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), rootfs.join(link)).unwrap();
        }
        let mut run = podman.command();
        run.args(["run", "--detach", "--network=none", "--name", name, "-v", "/usr:/usr:ro"]);
        for of in ["nofile=1024:1024", "nproc=1024:1024"] {
            run.args(["--ulimit", of]);
        }
        let started = said(run.arg("--rootfs").arg(&rootfs).args(["sleep", "600"]));
        assert_eq!(started.code, Some(0), "{started:?}");
        (podman, started.out.trim().to_owned())
    }

    fn serve(&mut self) -> String {
        let socket = self.root.join("podman.sock");
        let mut service = self.command();
        service.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", socket.display()));
        self.service = Some(service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("the socket of Podman", PATIENCE, || socket.exists().then_some(()));
        format!("podman:{}", socket.display())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        let _ = said(self.command().args(["rm", "--force", "--time", "0", "--ignore", &self.name]));
    }
}

#[test]
fn podman_s_own_files_and_its_own_socket_name_its_containers() {
    require_lab!();
    if !has("podman", "podman") || !has("runc", "runc") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (mut podman, number) = Podman::start(root.path(), "halfopen-named");
    let socket = podman.serve();
    let storage = root.path().join("var/lib/containers");
    for (files, sockets) in [(true, Vec::new()), (false, vec![socket])] {
        let link = |host: &Path| {
            if files {
                // Its directory is as Podman has made it.
                fs::create_dir_all(host.join("var/lib")).unwrap();
                let copied = said(Command::new("cp").arg("-a").arg(&storage).arg(host.join("var/lib")));
                assert_eq!(copied.code, Some(0), "{copied:?}");
            }
        };
        let scene = Scene::new(link, &sockets);
        let cgroup = format!("libpod-{number}.scope");
        let made = scene.lab.cgroup().child(&cgroup).unwrap();
        let dialling = scene.dial(&made);
        let named = until("the container's name", PATIENCE, || {
            Some(scene.account(&cgroup)?).filter(|account| !account["container"]["name"].is_null())
        });
        assert_eq!(
            (&named["container"]["name"], &named["container"]["runtime"]),
            (&json!("halfopen-named"), &json!("podman"))
        );
        drop(dialling);
    }
}
