//! The unit, container and pod that the path of a cgroup names, as systemd, container runtimes and kubelet write it.
//!
//! A program that may make cgroups below its own chooses their names, and could take those of somebody else's container.
//! So the outermost names count, and only as deep as the cgroups in which they are belong to root. In a unit only what is
//! directly in it counts, as Podman's containers in a service are: what a unit runs may be root as well.

use super::Runtime;
use std::path::Path;

/// The digits of a container's number.
const ID: usize = 64;

/// The names in a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathNames {
    /// `foo.service`, `session-2.scope`.
    pub unit: Option<String>,
    /// The number of a container, or its name for LXC; and what runs it, where the name of its cgroup tells.
    pub container: Option<(String, Option<Runtime>)>,
    /// The UID of a pod.
    pub pod_uid: Option<String>,
}

impl PathNames {
    /// Those in the path of a cgroup of the hierarchy that is mounted at `mount`.
    #[must_use]
    pub fn of(path: &str, mount: &Path) -> Self {
        Self::within(path, |above| {
            let directory = mount.join(above.trim_start_matches('/'));
            super::root_files::is_roots(&directory)
        })
    }

    /// Those in the path of a cgroup that may be gone. Nothing tells whose the cgroups above it were, so nothing counts
    /// below a unit, which may have been a user's.
    #[must_use]
    pub fn of_any(path: &str) -> Self {
        Self::within(path, |above| !above.split('/').any(is_unit))
    }

    /// Those whose cgroups lie in cgroups that `is_roots`.
    fn within(path: &str, is_roots: impl Fn(&str) -> bool) -> Self {
        let mut names = Self::default();
        for (at, _) in path.match_indices('/') {
            let (above, name) = (&path[..at], path[at + 1..].split('/').next().unwrap_or_default());
            if !is_roots(above) {
                break;
            }
            if is_unit(name) && names.unit.is_none() {
                names.unit = Some(name.to_owned());
            }
            let units_above = above.split('/').filter(|name| is_unit(name)).count();
            let is_in_unit = above.rsplit('/').next().is_some_and(is_unit);
            if units_above > usize::from(is_in_unit) {
                break;
            }
            if let Some(container) = container(name, above) {
                names.container = Some(container);
                break;
            }
            if units_above == 0 && names.pod_uid.is_none() {
                names.pod_uid = pod(name);
            }
        }
        names
    }
}

fn is_unit(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| ["service", "scope"].contains(&kind))
}

/// `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`; or `ID` alone, in the cgroup `above`. LXC has
/// `lxc.payload.NAME`.
fn container(name: &str, above: &str) -> Option<(String, Option<Runtime>)> {
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some((name.to_owned(), Some(Runtime::Lxc)));
    }
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (kind, id) = name.rsplit_once(['-', ':']).unwrap_or(("", name));
    // The process that watches a container has a cgroup of that name.
    if !is_id(id) || kind.ends_with("conmon") {
        return None;
    }
    let runtime = match kind {
        "docker" => Some(Runtime::Docker),
        "libpod" | "libpod-payload" => Some(Runtime::Podman),
        "cri-containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::CriO),
        "" if above.ends_with("/docker") => Some(Runtime::Docker),
        _ => None,
    };
    Some((id.to_owned(), runtime))
}

/// Whether it is a container's number.
pub(super) fn is_id(id: &str) -> bool {
    id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `kubepods-burstable-podUID.slice`, `/kubepods/podUID`.
fn pod(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let (before, uid) = name.rsplit_once("pod")?;
    let is_kubelet_s = before.is_empty() || before.starts_with("kubepods-");
    let is_uid = uid.len() >= 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-_".contains(&byte));
    (is_kubelet_s && is_uid).then(|| uid.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn paths_as_systemd_runtimes_and_kubelet_write_them() {
        let id = "0123456789abcdef".repeat(4);
        let uid = "12345678-1234-1234-1234-123456789abc";
        let in_slice = uid.replace('-', "_");
        let burstable =
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{in_slice}.slice");
        let container = |runtime| Some((id.clone(), runtime));
        let (docker, podman) = (container(Some(Runtime::Docker)), container(Some(Runtime::Podman)));
        for (path, unit, container, pod) in [
            ("/system.slice/foo.service/workers".to_owned(), Some("foo.service"), None, None),
            ("/user.slice/user-1000.slice/session-2.scope".to_owned(), Some("session-2.scope"), None, None),
            (format!("/system.slice/docker-{id}.scope"), Some("docker-"), docker.clone(), None),
            (format!("/docker/{id}"), None, docker, None),
            (format!("/machine.slice/libpod-{id}.scope/container"), Some("libpod-"), podman, None),
            (format!("/machine.slice/libpod-conmon-{id}.scope"), Some("libpod-conmon"), None, None),
            (
                format!("{burstable}/cri-containerd-{id}.scope"),
                Some("cri-containerd-"),
                container(Some(Runtime::Containerd)),
                Some(uid),
            ),
            (
                format!("{burstable}/crio-{id}.scope"),
                Some("crio-"),
                container(Some(Runtime::CriO)),
                Some(uid),
            ),
            (burstable.clone(), None, None, Some(uid)),
            (format!("/kubepods/besteffort/pod{uid}/{id}/nginx.service"), None, container(None), Some(uid)),
            (
                "/lxc.payload.web/system.slice/a.service".to_owned(),
                None,
                Some(("web".to_owned(), Some(Runtime::Lxc))),
                None,
            ),
            ("/".to_owned(), None, None, None),
        ] {
            let found = PathNames::of_any(&path);
            assert_eq!((found.container, found.pod_uid.as_deref()), (container, pod), "{path}");
            let starts = unit.is_none_or(|unit| found.unit.as_ref().unwrap().starts_with(unit));
            assert!(starts && found.unit.is_some() == unit.is_some(), "{path}");
        }
    }

    #[test]
    fn names_that_a_program_gives_its_own_cgroups_do_not_count() {
        let (id, other) = ("0123456789abcdef".repeat(4), "fedcba9876543210".repeat(4));
        let nested = format!("/docker/{id}/docker-{other}.scope");
        assert_eq!(PathNames::of_any(&nested).container.unwrap().0, id);
        let of_a_user = format!("/user.slice/user-7.slice/user@7.service/docker-{other}.scope");
        let found = PathNames::of_any(&of_a_user);
        assert_eq!((found.unit.as_deref(), found.container), (Some("user@7.service"), None));

        for below in ["payload", "b.service"] {
            let of_another_root =
                format!("/machine.slice/systemd-nspawn@a.service/{below}/docker-{other}.scope");
            let found = PathNames::within(&of_another_root, |_| true);
            assert_eq!((found.unit.as_deref(), found.container), (Some("systemd-nspawn@a.service"), None));
        }

        // As in the file system: what stands in a directory that others may write is theirs.
        let mount = tempfile::tempdir().unwrap();
        let path = format!("/system.slice/web.service/libpod-payload-{id}");
        let service = mount.path().join("system.slice/web.service");
        fs::create_dir_all(mount.path().join(&path[1..])).unwrap();
        assert_eq!(PathNames::of(&path, mount.path()).container, Some((id, Some(Runtime::Podman))));
        fs::set_permissions(&service, fs::Permissions::from_mode(0o777)).unwrap();
        let found = PathNames::of(&path, mount.path());
        assert_eq!((found.unit.as_deref(), found.container), (Some("web.service"), None));
    }
}
