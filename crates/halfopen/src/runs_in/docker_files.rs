//! Docker's file about a container. Its socket says the same.

use super::sources::Source;
use super::{PodSaid, Runtime, Said};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Config")]
    config: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "Image", default)]
    image: String,
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, String>>,
}

/// What the container's file says.
pub fn of_container(root: &Path, id: &str) -> Option<Said> {
    let Config { name, config } =
        Source::Docker.open(root).ok()?.json(&format!("{id}/config.v2.json")).ok()?;
    Some(Said {
        name: Some(name.trim_start_matches('/').to_owned()),
        image: Some(config.image),
        runtime: Some(Runtime::Docker),
        pod: pod_of_labels(&config.labels.unwrap_or_default()),
    })
}

/// The pod that a container's labels name. Authors of images choose labels too: what these say counts only for a container
/// whose cgroup is in the pod's.
pub fn pod_of_labels(labels: &HashMap<String, String>) -> Option<PodSaid> {
    let label = |name: &str| labels.get(name).cloned();
    Some(PodSaid {
        uid: label("io.kubernetes.pod.uid")?,
        name: label("io.kubernetes.pod.name")?,
        namespace: label("io.kubernetes.pod.namespace")?,
        app: None,
    })
}
