//! Finds the names behind the path of a cgroup. What was found is kept, bounded, by container and pod: a container's
//! files go with it.

use super::podman_files::PodmanFiles;
use super::runtime_answers::RuntimeAnswers;
use super::{Container, PathNames, PodSaid, RunsIn, Runtime, RuntimeSocket, Said};
use super::{docker_files, oci_files, pod_logs, shown};
use halfopen_bpf::cgroup2_mount;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How many containers and how many pods are kept.
const KEPT: usize = 1_024;
/// How soon a source is asked again for a name that was found: names can change.
const FRESH: Duration = Duration::from_mins(1);
/// The same for one that was not found. The sources that a container needs may come a moment after it.
const RETRY: Duration = Duration::from_secs(1);

/// The sources, and what they said.
#[derive(Debug)]
pub struct Lookup {
    root: PathBuf,
    podman: PodmanFiles,
    sockets: Vec<RuntimeAnswers>,
    containers: Kept<Said>,
    pods: Kept<PodSaid>,
}

impl Default for Lookup {
    /// This host's files, and no socket.
    fn default() -> Self {
        Self::below("/".into())
    }
}

impl Lookup {
    /// The files below `root`, and no socket.
    #[must_use]
    pub fn below(root: PathBuf) -> Self {
        let podman = PodmanFiles::default();
        Self { root, podman, sockets: Vec::new(), containers: Kept::default(), pods: Kept::default() }
    }

    /// The same with these sockets, which are asked from now on.
    ///
    /// # Errors
    /// If there is no thread for one.
    pub fn with(self, sockets: &[RuntimeSocket]) -> io::Result<Self> {
        let sockets = sockets.iter().cloned().map(RuntimeAnswers::of).collect::<io::Result<_>>()?;
        Ok(Self { sockets, ..self })
    }

    /// The sockets that did not answer the last time, each with the reason.
    #[must_use]
    pub fn failed_sockets(&self) -> Vec<String> {
        self.sockets.iter().filter_map(RuntimeAnswers::failed).collect()
    }

    /// What the cgroup at `path` belongs to. Reads a few small files, and waits for no socket: what a socket has to say
    /// may be there the next time.
    pub fn of_cgroup(&mut self, path: &str) -> RunsIn {
        let Some(mount) = cgroup2_mount() else { return RunsIn::of_path(path) };
        self.named(PathNames::of(path, &mount))
    }

    fn named(&mut self, names: PathNames) -> RunsIn {
        let mut runs_in = RunsIn::from(names);
        let said = runs_in.container.as_mut().and_then(|container| {
            let said = self.container(&container.id).filter(|_| container.runtime != Some(Runtime::Lxc))?;
            container.learn(&said);
            said.pod
        });
        if let Some(pod) = &mut runs_in.pod {
            if let Some(said) = said {
                pod.learn(&said);
                // Its cgroup alone, without a container's, may be asked about later.
                if pod.name.is_some() {
                    self.pods.put(&pod.uid, Some(said));
                }
            }
            if pod.name.is_none() {
                let root = &self.root;
                let said = self.pods.get_or(&pod.uid, || pod_logs::of_pod(root, &pod.uid));
                said.inspect(|said| pod.learn(said));
            }
        }
        runs_in
    }

    fn container(&mut self, id: &str) -> Option<Said> {
        let Self { root, podman, sockets, containers, .. } = self;
        containers.get_or(id, || {
            let said = docker_files::of_container(root, id)
                .or_else(|| {
                    oci_files::of_containerd(root, id)
                        .filter(|said| said.name.is_some() || said.pod.is_some())
                })
                .or_else(|| oci_files::of_cri_o(root, id))
                .or_else(|| podman.of_container(root, id))
                .or_else(|| sockets.iter().find_map(|socket| socket.said(id)));
            if said.is_none() {
                sockets.iter().for_each(RuntimeAnswers::want);
            }
            said
        })
    }
}

impl Container {
    fn learn(&mut self, said: &Said) {
        self.name = said.name.as_deref().map(shown);
        self.image = said.image.as_deref().filter(|image| !image.is_empty()).map(shown);
        self.runtime = self.runtime.or(said.runtime);
    }
}

/// What sources said, by number or UID.
#[derive(Debug)]
struct Kept<T>(HashMap<String, (Instant, Option<T>)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Kept<T> {
    /// What is kept, or what `find` finds if that is old. If it finds nothing any more, what it found once stays.
    fn get_or(&mut self, key: &str, find: impl FnOnce() -> Option<T>) -> Option<T> {
        let known = self.0.get(key);
        let is_fresh =
            |(at, found): &&(Instant, Option<T>)| at.elapsed() < if found.is_some() { FRESH } else { RETRY };
        if let Some((_, found)) = known.filter(is_fresh) {
            return found.clone();
        }
        let found = find().or_else(|| known.and_then(|(_, found)| found.clone()));
        self.put(key, found.clone());
        found
    }

    fn put(&mut self, key: &str, found: Option<T>) {
        if self.0.len() >= KEPT && !self.0.contains_key(key) {
            let oldest = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(key.to_owned(), (Instant::now(), found));
    }
}

#[cfg(test)]
mod tests;
