//! Podman's files, which list all containers of root.

use super::root_files::RootDirectory;
use super::sources::Source;
use super::{Runtime, Said};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

/// In the directories of the storage drivers.
const FILES: [&str; 4] = [
    "overlay-containers/containers.json",
    "overlay-containers/volatile-containers.json",
    "vfs-containers/containers.json",
    "vfs-containers/volatile-containers.json",
];

/// The files, with what they said when they last changed.
#[derive(Debug, Default)]
pub struct PodmanFiles {
    known: HashMap<&'static str, (SystemTime, HashMap<String, Said>)>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    /// JSON as text.
    #[serde(default)]
    metadata: String,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "image-name", default)]
    image: String,
    #[serde(default)]
    name: String,
}

impl PodmanFiles {
    /// What they say about a container.
    pub fn of_container(&mut self, root: &Path, id: &str) -> Option<Said> {
        let Ok(storage) = Source::Podman.open(root) else {
            self.known.clear();
            return None;
        };
        FILES.iter().find_map(|file| self.of_file(&storage, file)?.get(id).cloned())
    }

    fn of_file(&mut self, storage: &RootDirectory, file: &'static str) -> Option<&HashMap<String, Said>> {
        let changed = storage.file(file).and_then(|file| file.metadata()?.modified());
        let Ok(changed) = changed else {
            self.known.remove(file);
            return None;
        };
        if self.known.get(file).is_none_or(|(then, _)| *then != changed) {
            // A file that is just being written has changed again when it is next looked at.
            let all: Vec<Listed> = storage.json(file).unwrap_or_default();
            let said = all.into_iter().map(|listed| (listed.id.clone(), said(listed))).collect();
            self.known.insert(file, (changed, said));
        }
        self.known.get(file).map(|(_, said)| said)
    }
}

fn said(listed: Listed) -> Said {
    let metadata: Metadata = serde_json::from_str(&listed.metadata).unwrap_or_default();
    let name = listed.names.into_iter().next().unwrap_or(metadata.name);
    Said {
        name: Some(name).filter(|name| !name.is_empty()),
        image: Some(metadata.image).filter(|image| !image.is_empty()),
        runtime: Some(Runtime::Podman),
        pod: None,
    }
}
