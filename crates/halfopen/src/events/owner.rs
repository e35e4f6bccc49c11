//! Who a cgroup belongs to, as whoever runs the host calls it: a container, or a unit of systemd.

/// The container or unit whose cgroup this is; `None` = its path does not tell.
#[must_use]
pub fn owner(cgroup: &str) -> Option<String> {
    cgroup.rsplit('/').find_map(|name| container(name).or_else(|| unit(name)))
}

/// Docker, Podman, containerd and CRI-O name the cgroup of a container by its number, with their own name before it where
/// systemd makes the cgroup. LXC names it by the container's name.
fn container(name: &str) -> Option<String> {
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(format!("container {name}"));
    }
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let number = name.rsplit('-').next().unwrap_or(name);
    let is_number = number.len() == 64 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| format!("container {}", &number[..12]))
}

fn unit(name: &str) -> Option<String> {
    let (_, kind) = name.rsplit_once('.')?;
    ["service", "scope"].contains(&kind).then(|| format!("unit {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_number_and_units_by_name() {
        let number = "0123456789abcdef".repeat(4);
        for path in [
            format!("/docker/{number}"),
            format!("/system.slice/docker-{number}.scope"),
            format!("/machine.slice/libpod-{number}.scope/container"),
            format!("/kubepods.slice/kubepods-pod7.slice/cri-containerd-{number}.scope"),
            format!("/kubepods/burstable/pod7/{number}/nginx.slice"),
        ] {
            assert_eq!(owner(&path).as_deref(), Some("container 0123456789ab"), "{path}");
        }
        for (path, whose) in [
            ("/system.slice/nginx.service", Some("unit nginx.service")),
            ("/system.slice/nginx.service/workers", Some("unit nginx.service")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", Some("unit app-x.scope")),
            ("/lxc.payload.web/system.slice/a.service", Some("unit a.service")),
            ("/lxc.payload.web", Some("container web")),
            ("/services/scan", None),
            ("/", None),
        ] {
            assert_eq!(owner(path).as_deref(), whose, "{path}");
        }
    }
}
