//! What `doctor` says about the sources of the names of containers and pods.

use super::doctor_check::{Check, CheckResult};
use crate::control::{Answer, Client, Request};
use crate::runs_in::sources::Source;
use crate::runtime_dir::RuntimeDir;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const WHAT: &str = "names of containers and pods";
/// How long the daemon may take to say where it looks.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which sources are here, and which sockets are asked.
pub fn check() -> Check {
    let root = setting("containers.root").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let sockets = setting("containers.sockets").unwrap_or_default();
    told(&root, &sockets)
}

/// What the running daemon goes by; `None` if there is none.
fn setting(name: &str) -> Option<String> {
    let get = Request::Get { name: name.to_owned() };
    let mut asked = Client::ask(&RuntimeDir::of_this_host(), &get, Some(PATIENCE)).ok()?;
    match asked.answer() {
        Ok(Answer::Value { value }) => Some(value),
        _ => None,
    }
}

fn told(root: &Path, sockets: &str) -> Check {
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    for source in Source::ALL {
        match source.open(root) {
            Ok(_) => read.push(format!("{source} ({})", source.path())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => refused.push(format!("{} of {source} cannot be used: {e}", source.path())),
        }
    }
    if !sockets.is_empty() {
        read.push(format!("the sockets {sockets}"));
    }
    let read = if read.is_empty() {
        format!("no files of a container runtime or of kubelet below {}", root.display())
    } else {
        format!("read from {}", read.join(", "))
    };
    let result = if refused.is_empty() { CheckResult::Good } else { CheckResult::Degraded };
    Check::new(result, WHAT, [vec![read], refused].concat().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn sources_that_others_may_write_are_named() {
        let root = tempfile::tempdir().unwrap();
        let none = told(root.path(), "").to_string();
        assert!(
            none.starts_with("good      names of containers and pods: no files of a container"),
            "{none}"
        );
        for source in [Source::Docker, Source::Kubelet] {
            fs::create_dir_all(root.path().join(&source.path()[1..])).unwrap();
        }
        let pods = root.path().join(&Source::Kubelet.path()[1..]);
        fs::set_permissions(pods, Permissions::from_mode(0o777)).unwrap();
        let some = told(root.path(), "docker:/run/docker.sock").to_string();
        assert_eq!(
            some,
            "degraded  names of containers and pods: read from Docker (/var/lib/docker/containers), the sockets \
             docker:/run/docker.sock; /var/log/pods of kubelet cannot be used: others than root may write it"
        );
    }
}
