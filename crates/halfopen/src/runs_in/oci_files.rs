//! The `config.json` of a running container of containerd or CRI-O. Its annotations name the container and its pod.

use super::root_files::RootDirectory;
use super::sources::Source;
use super::{PodSaid, Runtime, Said};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// The pod's label that names what it belongs to.
const APP: &str = "app.kubernetes.io/name";

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// What the annotations of a runtime are called.
struct Names {
    name: &'static str,
    image: &'static str,
    pod_uid: &'static str,
    pod: &'static str,
    namespace: &'static str,
}

const OF_CONTAINERD: Names = Names {
    name: "io.kubernetes.cri.container-name",
    image: "io.kubernetes.cri.image-name",
    pod_uid: "io.kubernetes.cri.sandbox-uid",
    pod: "io.kubernetes.cri.sandbox-name",
    namespace: "io.kubernetes.cri.sandbox-namespace",
};
/// nerdctl's containers are containerd's as well.
const OF_NERDCTL: &str = "nerdctl/name";
const OF_CRI_O: Names = Names {
    name: "io.kubernetes.container.name",
    image: "io.kubernetes.cri-o.ImageName",
    pod_uid: "io.kubernetes.pod.uid",
    pod: "io.kubernetes.pod.name",
    namespace: "io.kubernetes.pod.namespace",
};
/// The container that stands for the pod, and its pod's labels as JSON.
const SANDBOX: &str = "io.kubernetes.cri-o.SandboxID";
const LABELS: &str = "io.kubernetes.cri-o.Labels";

/// What containerd's file says. A container is in one of a few namespaces, such as `k8s.io`.
pub fn of_containerd(root: &Path, id: &str) -> Option<Said> {
    let tasks = Source::Containerd.open(root).ok()?;
    let annotations =
        tasks.names().ok()?.find_map(|namespace| annotations(&tasks, &format!("{namespace}/{id}")))?;
    let name = annotations.get(OF_NERDCTL).cloned();
    let said = OF_CONTAINERD.said(&annotations, Runtime::Containerd);
    Some(Said { name: said.name.or(name), ..said })
}

/// What CRI-O's file says. Podman's containers may have such files too, without these annotations.
pub fn of_cri_o(root: &Path, id: &str) -> Option<Said> {
    let containers = Source::CriO.open(root).ok()?;
    let found = annotations(&containers, &format!("{id}/userdata"))?;
    let sandbox = found.get(SANDBOX).filter(|sandbox| super::cgroup_path::is_id(sandbox))?;
    let of_sandbox = annotations(&containers, &format!("{sandbox}/userdata")).unwrap_or_default();
    let labels: HashMap<String, String> =
        of_sandbox.get(LABELS).and_then(|labels| serde_json::from_str(labels).ok()).unwrap_or_default();
    let mut said = OF_CRI_O.said(&found, Runtime::CriO);
    if let Some(pod) = &mut said.pod {
        pod.app = labels.get(APP).cloned();
    }
    Some(said)
}

fn annotations(directory: &RootDirectory, bundle: &str) -> Option<HashMap<String, String>> {
    directory.json::<Config>(&format!("{bundle}/config.json")).ok().map(|config| config.annotations)
}

impl Names {
    fn said(&self, annotations: &HashMap<String, String>, runtime: Runtime) -> Said {
        let get = |name: &str| annotations.get(name).cloned();
        let pod = get(self.pod).map(|name| PodSaid {
            uid: get(self.pod_uid).unwrap_or_default(),
            name,
            namespace: get(self.namespace).unwrap_or_default(),
            app: None,
        });
        Said { name: get(self.name), image: get(self.image), runtime: Some(runtime), pod }
    }
}
