//! What a cgroup belongs to, in the words of whoever runs the host: unit, container, pod and workload.
//!
//! The path of the cgroup says which unit, which number of a container and which UID of a pod it is. Files of the container
//! runtimes and of kubelet, and their sockets where the configuration names them, have the names behind the numbers.

pub mod cgroup_path;
mod docker_files;
pub mod lookup;
mod oci_files;
mod pod_logs;
mod podman_files;
pub mod root_files;
pub mod runtime_answers;
pub mod runtime_socket;
pub mod sources;
mod workload;

pub use cgroup_path::PathNames;
pub use lookup::Lookup;
pub use runtime_socket::RuntimeSocket;

use halfopen_bpf::text::escaped;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of a container's number is shown, in letters.
const SHORT_ID: usize = 12;

/// What a cgroup belongs to, as far as that is known. All names are escaped and bounded: authors of images and pods choose
/// some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RunsIn {
    /// The unit of systemd; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The Kubernetes pod; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// Its number, 64 hexadecimal digits; for one of LXC, its name.
    pub id: String,
    /// Its name; `None` if no source tells.
    pub name: Option<String>,
    /// The name of its image; `None` if no source tells.
    pub image: Option<String>,
    /// What runs it; `None` if neither the cgroup's path nor a source tells.
    pub runtime: Option<Runtime>,
}

/// What runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd, for Kubernetes or nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// LXC, and Incus with it.
    Lxc,
}

/// A Kubernetes pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Pod {
    /// Its UID, as its cgroup has it.
    pub uid: String,
    /// Its name; `None` if no source tells.
    pub name: Option<String>,
    /// Its namespace; `None` if no source tells.
    pub namespace: Option<String>,
    /// What it belongs to, such as a Deployment; `None` if that cannot be derived.
    pub workload: Option<Workload>,
}

/// What a pod belongs to. No source on the host names it, so it is derived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What it is derived from.
    pub from: DerivedFrom,
}

/// What a workload's name is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DerivedFrom {
    /// The label `app.kubernetes.io/name` of the pod.
    Label,
    /// The name of the pod, without what a controller has added to its own.
    PodName,
}

/// What a source says about a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub name: Option<String>,
    /// The name of its image.
    pub image: Option<String>,
    /// What runs it.
    pub runtime: Option<Runtime>,
    /// The pod that it is in.
    pub pod: Option<PodSaid>,
}

/// What a source says about a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSaid {
    /// Its UID; empty if the source does not tell.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its label `app.kubernetes.io/name`.
    pub app: Option<String>,
}

impl RunsIn {
    /// What the path of a cgroup alone tells, for one that may be gone.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        PathNames::of_any(path).into()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// What no path tells a reader: the pod and the container. `None` if there is neither.
    #[must_use]
    pub fn named(&self) -> Option<String> {
        match (&self.pod, &self.container) {
            (Some(pod), Some(container)) if container.name.is_some() => Some(format!("{pod}, {container}")),
            (Some(pod), _) => Some(pod.to_string()),
            (None, container) => container.as_ref().map(Container::to_string),
        }
    }

    /// The names, as labels of metrics: empty where they are unknown.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, &str); 6] {
        let container = self.container.as_ref();
        let pod = self.pod.as_ref();
        let workload = pod.and_then(|pod| pod.workload.as_ref());
        [
            ("unit", self.unit.as_deref()),
            (
                "container",
                container.map(|container| container.name.as_ref().unwrap_or(&container.id).as_str()),
            ),
            ("image", container.and_then(|container| container.image.as_deref())),
            ("pod", pod.map(|pod| pod.name.as_ref().unwrap_or(&pod.uid).as_str())),
            ("namespace", pod.and_then(|pod| pod.namespace.as_deref())),
            ("workload", workload.map(|workload| workload.name.as_str())),
        ]
        .map(|(label, name)| (label, name.unwrap_or_default()))
    }

    /// Whether a source may still tell a name that is missing.
    #[must_use]
    pub fn lacks_a_name(&self) -> bool {
        self.container.as_ref().is_some_and(|container| container.name.is_none())
            || self.pod.as_ref().is_some_and(|pod| pod.name.is_none())
    }

    /// The same with each name as `of` makes it.
    #[must_use]
    pub fn each(self, of: impl Fn(&str) -> String) -> Self {
        let maybe = |text: Option<String>| text.as_deref().map(&of);
        Self {
            unit: maybe(self.unit),
            container: self.container.map(|found| Container {
                id: of(&found.id),
                name: maybe(found.name),
                image: maybe(found.image),
                runtime: found.runtime,
            }),
            pod: self.pod.map(|found| Pod {
                uid: of(&found.uid),
                name: maybe(found.name),
                namespace: maybe(found.namespace),
                workload: found.workload.map(|workload| Workload { name: of(&workload.name), ..workload }),
            }),
        }
    }
}

impl From<PathNames> for RunsIn {
    fn from(names: PathNames) -> Self {
        Self {
            unit: names.unit,
            container: names.container.map(|(id, runtime)| Container {
                name: (runtime == Some(Runtime::Lxc)).then(|| id.clone()),
                id,
                image: None,
                runtime,
            }),
            pod: names.pod_uid.map(|uid| Pod { uid, name: None, namespace: None, workload: None }),
        }
    }
}

impl Pod {
    /// Fills in what a source says, if it is about this pod.
    fn learn(&mut self, said: &PodSaid) {
        if said.name.is_empty() || !(said.uid.is_empty() || said.uid == self.uid) {
            return;
        }
        self.name = Some(shown(&said.name));
        self.namespace = Some(shown(&said.namespace));
        let app = said.app.as_deref().filter(|app| !app.is_empty());
        self.workload = match (app, workload::of_pod_named(&said.name)) {
            (Some(app), _) => Some(Workload { name: shown(app), from: DerivedFrom::Label }),
            (None, Some(name)) => Some(Workload { name: shown(name), from: DerivedFrom::PodName }),
            (None, None) => None,
        };
    }
}

/// A name that somebody else chose, for a line that people read.
fn shown(name: &str) -> String {
    escaped(name.as_bytes())
}

/// What identifies it best, for people: the pod and its container, or the container, with its image; or else the unit.
/// Empty if nothing is known.
impl fmt::Display for RunsIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.named(), &self.unit) {
            (Some(named), _) => f.write_str(&named)?,
            (None, Some(unit)) => write!(f, "unit {unit}")?,
            (None, None) => {}
        }
        let image = self.container.as_ref().and_then(|container| container.image.as_ref());
        image.map_or(Ok(()), |image| write!(f, " of image {image}"))
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.id.get(..SHORT_ID).unwrap_or(&self.id);
        write!(f, "container {}", self.name.as_deref().unwrap_or(number))
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, "pod {namespace}/{name}"),
            _ => write!(f, "pod {}", self.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "12345678-1234-1234-1234-123456789abc";

    fn pod(said: &PodSaid) -> Pod {
        let mut pod = Pod { uid: UID.into(), name: None, namespace: None, workload: None };
        pod.learn(said);
        pod
    }

    #[test]
    fn a_pod_is_what_its_own_uid_says_and_its_label_names_its_workload() {
        let said = PodSaid {
            uid: UID.into(),
            name: "web-6d4b75cb6d-4mtdm".into(),
            namespace: "shop".into(),
            app: None,
        };
        let derived = |name: &str, from| Some(Workload { name: name.into(), from });
        assert_eq!(pod(&said).workload, derived("web", DerivedFrom::PodName));
        let labelled = PodSaid { app: Some("front".into()), ..said.clone() };
        assert_eq!(pod(&labelled).workload, derived("front", DerivedFrom::Label));
        let other = PodSaid { uid: "another".into(), ..said };
        assert_eq!(pod(&other).name, None, "an image's label may name any pod");
    }

    #[test]
    fn it_is_told_by_the_name_that_says_most() {
        let id = "0123456789abcdef".repeat(4);
        let path = format!("/system.slice/docker-{id}.scope");
        let mut runs_in = RunsIn::of_path(&path);
        assert_eq!(runs_in.to_string(), "container 0123456789ab");
        let container = runs_in.container.as_mut().unwrap();
        (container.name, container.image) = (Some("web".into()), Some("nginx:1.27".into()));
        assert_eq!(runs_in.to_string(), "container web of image nginx:1.27");
        assert_eq!(RunsIn::of_path("/system.slice/a.service/b").to_string(), "unit a.service");
        assert_eq!(RunsIn::of_path("/lxc.payload.web").to_string(), "container web");
        assert!(RunsIn::of_path("/services/scan").is_unknown());
        let json = serde_json::to_value(RunsIn::of_path("/a.service")).unwrap();
        assert_eq!(json, serde_json::json!({ "unit": "a.service" }), "what is unknown is left out");
    }
}
