use super::*;
use crate::runs_in::{DerivedFrom, Pod, Workload};
use serde_json::json;
use std::fs;

const UID: &str = "12345678-1234-1234-1234-123456789abc";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A file system as the runtimes leave it.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, said: &serde_json::Value) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, said.to_string()).unwrap();
    }

    fn lookup(&self) -> Lookup {
        Lookup::below(self.0.path().to_owned())
    }
}

fn of(lookup: &mut Lookup, path: &str) -> RunsIn {
    lookup.named(PathNames::of_any(path))
}

fn docker(host: &Host, id: &str, name: &str, image: &str, labels: &serde_json::Value) {
    let said =
        json!({ "ID": id, "Name": format!("/{name}"), "Config": { "Image": image, "Labels": labels } });
    host.write(&format!("var/lib/docker/containers/{id}/config.v2.json"), &said);
}

/// As crictl and podman inspect name them: name, image and runtime.
fn told(runs_in: &RunsIn) -> (Option<&str>, Option<&str>, Option<Runtime>) {
    let container = runs_in.container.as_ref().unwrap();
    (container.name.as_deref(), container.image.as_deref(), container.runtime)
}

#[test]
fn docker_and_podman_name_their_containers() {
    let host = Host::new();
    docker(&host, &id('1'), "web", "nginx:1.27", &json!(null));
    let metadata = json!({ "image-name": "docker.io/library/redis:7", "name": "x" }).to_string();
    let listed = json!([{ "id": id('2'), "names": ["cache"], "metadata": metadata }, { "id": id('3') }]);
    host.write("var/lib/containers/storage/overlay-containers/containers.json", &listed);
    let mut lookup = host.lookup();
    let web = of(&mut lookup, &format!("/system.slice/docker-{}.scope", id('1')));
    assert_eq!(told(&web), (Some("web"), Some("nginx:1.27"), Some(Runtime::Docker)));
    let cache = of(&mut lookup, &format!("/machine.slice/libpod-{}.scope/container", id('2')));
    assert_eq!(told(&cache), (Some("cache"), Some("docker.io/library/redis:7"), Some(Runtime::Podman)));
    let none = of(&mut lookup, &format!("/machine.slice/libpod-{}.scope", id('3')));
    assert!(none.lacks_a_name() && none.to_string() == "container 333333333333");
    // What was found stays when the container and its files are gone.
    fs::remove_dir_all(host.0.path().join("var")).unwrap();
    assert_eq!(of(&mut lookup, &format!("/docker/{}", id('1'))).to_string(), web.to_string());
}

#[test]
fn containerd_cri_o_and_kubelet_name_containers_and_pods() {
    let host = Host::new();
    let annotations = json!({
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "nginx",
        "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.27",
        "io.kubernetes.cri.sandbox-name": "web-6d4b75cb6d-4mtdm",
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.sandbox-uid": UID,
    });
    let tasks = "run/containerd/io.containerd.runtime.v2.task";
    host.write(&format!("{tasks}/k8s.io/{}/config.json", id('1')), &json!({ "annotations": annotations }));
    let of_nerdctl = json!({ "annotations": { "nerdctl/name": "box" } });
    host.write(&format!("{tasks}/default/{}/config.json", id('4')), &of_nerdctl);
    let mut lookup = host.lookup();
    let nginx = of(&mut lookup, &format!("/kubepods/burstable/pod{UID}/{}", id('1')));
    assert_eq!(
        told(&nginx),
        (Some("nginx"), Some("docker.io/library/nginx:1.27"), Some(Runtime::Containerd))
    );
    let workload = Workload { name: "web".into(), from: DerivedFrom::PodName };
    let (name, namespace) = (Some("web-6d4b75cb6d-4mtdm".to_owned()), Some("shop".to_owned()));
    let pod = Pod { uid: UID.into(), name, namespace, workload: Some(workload) };
    assert_eq!(nginx.pod, Some(pod.clone()));
    assert_eq!(
        of(&mut lookup, &format!("/kubepods/burstable/pod{UID}")).pod,
        Some(pod),
        "no container's cgroup"
    );
    let boxed = of(&mut lookup, &format!("/system.slice/nerdctl-{}.scope", id('4')));
    assert_eq!(told(&boxed), (Some("box"), None, Some(Runtime::Containerd)));

    let host = Host::new();
    let containers = "run/containers/storage/overlay-containers";
    let annotations = json!({
        "io.kubernetes.container.name": "db",
        "io.kubernetes.cri-o.ImageName": "quay.io/x/postgres:17",
        "io.kubernetes.cri-o.SandboxID": id('3'),
        "io.kubernetes.pod.name": "db-0",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.uid": UID,
    });
    host.write(
        &format!("{containers}/{}/userdata/config.json", id('2')),
        &json!({ "annotations": annotations }),
    );
    let labels = json!({ "app.kubernetes.io/name": "postgres" }).to_string();
    let sandbox = json!({ "annotations": { "io.kubernetes.cri-o.Labels": labels } });
    host.write(&format!("{containers}/{}/userdata/config.json", id('3')), &sandbox);
    let path = format!("/kubepods.slice/kubepods-pod{}.slice/crio-{}.scope", UID.replace('-', "_"), id('2'));
    let db = of(&mut host.lookup(), &path);
    assert_eq!(told(&db), (Some("db"), Some("quay.io/x/postgres:17"), Some(Runtime::CriO)));
    let workload = db.pod.as_ref().unwrap().workload.clone();
    assert_eq!(workload, Some(Workload { name: "postgres".into(), from: DerivedFrom::Label }));
    assert!(db.to_string().starts_with("pod shop/db-0, container db of image "), "{db}");

    let host = Host::new();
    fs::create_dir_all(host.0.path().join(format!("var/log/pods/kube-system_etcd-n1_{UID}"))).unwrap();
    let etcd = of(&mut host.lookup(), &format!("/kubepods/pod{UID}/{}", id('9')));
    assert_eq!(etcd.to_string(), "pod kube-system/etcd-n1");
}

#[test]
fn what_authors_choose_is_escaped_and_bounded_and_names_no_other_pod() {
    let host = Host::new();
    let labels = json!({
        "io.kubernetes.pod.name": "victim", "io.kubernetes.pod.namespace": "kube-system",
        "io.kubernetes.pod.uid": UID, "app.kubernetes.io/name": "victim",
    });
    let (hostile, long) = ("a\nevent 4226: \x1b[2J\u{202e}", "i".repeat(10_000));
    docker(&host, &id('1'), hostile, &long, &labels);
    let mut lookup = host.lookup();
    let found = of(&mut lookup, &format!("/docker/{}", id('1')));
    assert_eq!(found.pod, None, "its cgroup is in no pod");
    let container = found.container.as_ref().unwrap();
    assert_eq!(container.name.as_deref(), Some(r"a\x0aevent 4226: \x1b[2J\xe2\x80\xae"));
    assert!(container.image.as_ref().unwrap().len() < 600 && !found.to_string().contains(['\n', '\x1b']));
    let in_another = format!("/kubepods/pod{}/{}", UID.replace('1', "9"), id('1'));
    assert_eq!(of(&mut lookup, &in_another).pod.unwrap().name, None, "its cgroup is in another pod");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut kept = Kept::default();
    for key in 0..2 * KEPT {
        kept.get_or(&key.to_string(), || Some(key));
    }
    assert_eq!(kept.0.len(), KEPT);
    assert_eq!(kept.get_or(&(2 * KEPT - 1).to_string(), || None), Some(2 * KEPT - 1));
    assert!(!kept.0.contains_key("0"));
}
