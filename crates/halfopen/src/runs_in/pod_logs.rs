//! The names of pods, from the directories that kubelet makes for their logs: `NAMESPACE_NAME_UID`.

use super::PodSaid;
use super::sources::Source;
use std::path::Path;

/// The pod with this UID.
pub fn of_pod(root: &Path, uid: &str) -> Option<PodSaid> {
    let pods = Source::Kubelet.open(root).ok()?;
    pods.names().ok()?.find_map(|directory| {
        // Neither a namespace nor a name of Kubernetes has an underscore.
        let mut parts = directory.splitn(3, '_');
        let (namespace, name, of) = (parts.next()?, parts.next()?, parts.next()?);
        (of == uid).then(|| PodSaid {
            uid: of.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            app: None,
        })
    })
}
