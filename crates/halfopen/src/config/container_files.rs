//! What the files of Docker and Podman say about their containers: names, labels, and where their cgroups are.

use super::containers::{Containers, MOST};
use super::pattern::{CgroupPattern, name_fits};
use halfopen_bpf::cgroup2_mount;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A directory for each container.
const DOCKER: &str = "/var/lib/docker/containers";
/// Files that list all containers of root. Labels are in a database beside them.
const PODMAN: [&str; 2] = [
    "/var/lib/containers/storage/overlay-containers/containers.json",
    "/var/lib/containers/storage/overlay-containers/volatile-containers.json",
];
/// The largest file that is read, in bytes.
const LARGEST: u64 = 8 << 20;
/// The letters of an identity.
const ID: usize = 64;

/// The files, with what they said when they last changed.
#[derive(Debug, Default)]
pub struct ContainerFiles {
    known: HashMap<PathBuf, (Option<SystemTime>, Vec<Container>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Container {
    names: Vec<String>,
    labels: Vec<(String, String)>,
    /// Where its cgroup may be: that is another place for each driver.
    cgroups: Vec<String>,
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Config")]
    config: DockerLabels,
}

#[derive(Deserialize)]
struct DockerLabels {
    #[serde(rename = "Labels")]
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
struct DockerHost {
    #[serde(rename = "CgroupParent", default)]
    parent: String,
}

#[derive(Deserialize)]
struct PodmanContainer {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

impl ContainerFiles {
    /// The cgroups of the running containers that are `wanted`, sorted; if there are more than [`MOST`], one more than that.
    pub fn cgroups_of(&mut self, wanted: &Containers) -> Vec<String> {
        let Some(root) = cgroup2_mount() else { return Vec::new() };
        let exists = |path: &&String| root.join(path.trim_start_matches('/')).is_dir();
        let all = self.all().into_iter().filter(|container| container.is_one_of(wanted));
        let found: BTreeSet<String> = all
            .flat_map(|container| container.cgroups.iter().filter(exists).cloned().collect::<Vec<_>>())
            .collect();
        found.into_iter().take(MOST + 1).collect()
    }

    fn all(&mut self) -> Vec<Container> {
        let directories = fs::read_dir(DOCKER).into_iter().flatten().flatten().map(|entry| entry.path());
        let files: BTreeSet<PathBuf> = directories.map(|path| path.join("config.v2.json")).collect();
        self.known.retain(|path, _| files.contains(path) || !path.starts_with(DOCKER));
        files.into_iter().chain(PODMAN.map(PathBuf::from)).flat_map(|file| self.of_file(&file)).collect()
    }

    fn of_file(&mut self, path: &Path) -> Vec<Container> {
        let changed = fs::metadata(path).and_then(|file| file.modified()).ok();
        if let Some((then, known)) = self.known.get(path)
            && *then == changed
        {
            return known.clone();
        }
        // A file that is just being written has changed again when it is next looked at.
        let read = if changed.is_none() { Vec::new() } else { read_containers(path).unwrap_or_default() };
        self.known.insert(path.to_owned(), (changed, read.clone()));
        read
    }
}

fn read_containers(path: &Path) -> io::Result<Vec<Container>> {
    if PODMAN.iter().any(|podman| path == Path::new(podman)) {
        let all: Vec<PodmanContainer> = read_json(path)?;
        return Ok(all.into_iter().filter_map(Container::of_podman).collect());
    }
    let host = read_json(&path.with_file_name("hostconfig.json"));
    let parent = host.map_or_else(|_| String::new(), |host: DockerHost| host.parent);
    Ok(Container::of_docker(read_json(path)?, &parent).into_iter().collect())
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

fn is_id(id: &str) -> bool {
    id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Container {
    fn of_docker(said: DockerConfig, parent: &str) -> Option<Self> {
        let DockerConfig { id, name, config } = said;
        if !is_id(&id) {
            return None;
        }
        let parent = parent.trim_matches('/');
        let cgroups = match parent.strip_suffix(".slice") {
            Some(slice) => vec![format!("{}/docker-{id}.scope", path_of_slice(slice))],
            None if parent.is_empty() => {
                vec![format!("/system.slice/docker-{id}.scope"), format!("/docker/{id}")]
            }
            None => vec![format!("/{parent}/{id}")],
        };
        let labels = config.labels.unwrap_or_default().into_iter().collect();
        Some(Self { names: vec![name.trim_start_matches('/').to_owned()], labels, cgroups })
    }

    fn of_podman(said: PodmanContainer) -> Option<Self> {
        let PodmanContainer { id, names } = said;
        let places = ["/machine.slice/libpod-ID.scope", "/libpod_parent/libpod-ID"];
        let cgroups = places.map(|place| place.replace("ID", &id)).to_vec();
        is_id(&id).then(|| Self { names, labels: Vec::new(), cgroups })
    }

    fn is_one_of(&self, wanted: &Containers) -> bool {
        let is_named = |pattern: &String| self.names.iter().any(|name| name_fits(pattern, name));
        let is_labelled = |wanted: &String| {
            self.labels.iter().any(|(key, value)| match wanted.split_once('=') {
                Some((wanted, with)) => wanted == key && with == value,
                None => wanted == key,
            })
        };
        (wanted.names.is_empty() || wanted.names.iter().any(is_named))
            && (wanted.labels.is_empty() || wanted.labels.iter().any(is_labelled))
            && self.cgroups.iter().all(|path| CgroupPattern::exact(path).is_some())
    }
}

/// The path of `stem`.slice: `a-b.slice` is in `a.slice`.
fn path_of_slice(stem: &str) -> String {
    let mut path = String::new();
    for end in stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]) {
        path.extend(["/", &stem[..end], ".slice"]);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(name: &str, label: &str, parent: &str) -> Container {
        let said = format!(
            "{{\"ID\":\"{}\",\"Name\":\"/{name}\",\"Config\":{{\"Labels\":{{\"role\":\"{label}\"}},\"Env\":[]}}}}",
            "a".repeat(64)
        );
        Container::of_docker(serde_json::from_str(&said).unwrap(), parent).unwrap()
    }

    #[test]
    fn a_container_is_found_by_name_and_label() {
        let web = docker("web-1", "front", "");
        let is = |names: &[&str], labels: &[&str]| {
            let strings = |all: &[&str]| all.iter().map(ToString::to_string).collect();
            web.is_one_of(&Containers { names: strings(names), labels: strings(labels) })
        };
        assert!(is(&["web-1"], &[]) && is(&["x", "web*"], &[]) && is(&["*"], &["role"]));
        assert!(is(&[], &["role=front"]) && is(&["web-1"], &["x", "role=front"]));
        assert!(
            !is(&["web"], &[])
                && !is(&["web-1"], &["role=back"])
                && !is(&["x"], &["role"])
                && !is(&[], &["ro"])
        );
    }

    #[test]
    fn its_cgroup_is_where_its_runtime_s_driver_puts_it() {
        let id = "a".repeat(64);
        assert_eq!(
            docker("x", "", "").cgroups,
            [format!("/system.slice/docker-{id}.scope"), format!("/docker/{id}")]
        );
        assert_eq!(docker("x", "", "a-b.slice").cgroups, [format!("/a.slice/a-b.slice/docker-{id}.scope")]);
        assert_eq!(docker("x", "", "/mine").cgroups, [format!("/mine/{id}")]);
        let wrong = Containers { names: vec!["x".into()], labels: Vec::new() };
        assert!(!docker("x", "", "/../*").is_one_of(&wrong), "no path of a cgroup");
        let podman =
            |id: &str| Container::of_podman(PodmanContainer { id: id.into(), names: vec!["x".into()] });
        assert!(podman(&id).unwrap().cgroups.contains(&format!("/machine.slice/libpod-{id}.scope")));
        assert_eq!(podman("../../etc"), None);
    }
}
