//! The file systems under the daemon: full, read-only, gone. Each in a mount namespace of the daemon's own.

use crate::scene::{Scene, limiter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::desk::mounts::{NO_BPF_FS, changed_for};
use testkit::desk::{PATIENCE, ask, ask_well, has, program, until};
use testkit::{Lab, LabError, Limiter, require_lab};

/// Where a configuration lies whose file system is the daemon's own, and its run directory.
struct Directories {
    directory: tempfile::TempDir,
    config: PathBuf,
    run: PathBuf,
}

impl Directories {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/run").unwrap();
        let (config, run) = (directory.path().join("etc/halfopen.toml"), directory.path().join("run"));
        for made in ["etc/conf.d", "run"] {
            fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        fs::write(&config, "[host]\nqueue = 7000\n").unwrap();
        Self { directory, config, run }
    }

    /// The program, with `changes` made first.
    fn changed(&self, changes: &str) -> PathBuf {
        changed_for(self.directory.path(), changes)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Runs shell commands in the daemon's mount namespace.
fn within(limiter: &Limiter, commands: &str) {
    let pid = limiter.pid().to_string();
    let mut nsenter = Command::new("nsenter");
    let output =
        nsenter.args(["--mount", "--target", &pid, "--", "sh", "-e", "-c", commands]).output().unwrap();
    assert!(output.status.success(), "{commands}: {output:?}");
}

/// The code that a start ended with, and what it said.
fn refused<T>(start: Result<T, LabError>) -> (Option<i32>, String) {
    match start {
        Err(LabError::NotReady { status, stderr, .. }) => (status.code(), stderr),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// A change that cannot be saved is refused, and nothing is changed.
fn refuses_to_save(limiter: &Limiter, reason: &str) {
    let said = ask(limiter, &["set", "--save", "queue", "8000"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.error.contains("90-local.toml") && said.error.contains(reason), "{said:?}");
    assert_eq!(ask_well(limiter, &["get", "queue"]), "7000");
}

#[test]
fn the_disk_is_full() {
    require_lab!();
    let reason = "No space left on device";
    let directories = Directories::new();
    let (run, conf_d) = (directories.run.clone(), directories.path().join("etc/conf.d"));
    let state = directories.path().join("run-state");
    fs::create_dir(&state).unwrap();
    let disks = [&run, &conf_d, &state];
    let mounted = disks.map(|path| format!("mount -t tmpfs -o size=64k,mode=700 none {}", path.display()));
    let fill =
        disks.map(|path| format!("dd if=/dev/zero of={}/filler bs=4k 2>/dev/null || true", path.display()));
    let (mounted, fill) = (mounted.join("\n"), fill.join("\n"));
    let lab = Lab::new().unwrap();
    let ready = |program| {
        let builder = limiter(&lab).persist().program(program).own_mounts(testkit::desk::program());
        builder.run_directory(&run).config(&directories.config)
    };
    let (code, said) = refused(ready(directories.changed(&format!("{mounted}\n{fill}"))).start());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("lock") && said.contains(reason), "{said}");
    assert!(!lab.pins().exists(), "{said}");

    let first = ready(directories.changed(&mounted)).start().unwrap();
    within(&first, &fill);
    let mut scene = Scene::begin(lab, first);
    until("the status to say that events are not kept", PATIENCE, || {
        let status = scene.status();
        let mut reasons = status["degraded"].as_array().unwrap().iter();
        reasons.any(|found| found["reason"] == "events_not_kept").then_some(())
    });
    refuses_to_save(&scene.limiter, reason);
    scene.live_goes_on(3);
    scene.limiter.kill();
    scene.live_goes_on(1);
    scene.limiter.start_again().unwrap();
    within(&scene.limiter, &fill);
    scene.saturated();
    scene.judge_with_accounting().tell(
        "full disk: run directory, state directory and conf.d",
        "before the start, while running, killed and started again",
        "start and `set --save`: exit code 1, `No space left on device`; status: `events_not_kept`",
    );
}

#[test]
fn run_var_and_etc_are_read_only() {
    require_lab!();
    let reason = "Read-only file system";
    let directories = Directories::new();
    let read_only = directories.path().join("read-only");
    // On top of what is there: a mount with a file open for writing, such as the daemon's lock, stays writable.
    let remount =
        "for path in /run /var /etc; do mount --bind $path $path; mount -o remount,bind,ro $path; done";
    // The configuration lies in the daemon's own /etc.
    let changes = format!(
        "cp /etc/passwd /etc/group {etc}\nmount --bind {etc} /etc\nif test -e {flag}; then {remount}; fi",
        etc = directories.path().join("etc").display(),
        flag = read_only.display(),
    );
    let lab = Lab::new().unwrap();
    let builder = limiter(&lab).persist().program(directories.changed(&changes)).own_mounts(program());
    let first = builder.run_directory(&directories.run).config(Path::new("/etc/halfopen.toml")).start();
    let mut scene = Scene::begin(lab, first.unwrap());
    within(&scene.limiter, remount);
    refuses_to_save(&scene.limiter, reason);
    scene.live_goes_on(3);
    scene.limiter.kill();
    fs::write(&read_only, "").unwrap();
    let (code, said) = refused(scene.limiter.start_again());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("lock") && said.contains(reason), "{said}");
    scene.live_goes_on(3);
    fs::remove_file(&read_only).unwrap();
    scene.limiter.start_again().unwrap();
    within(&scene.limiter, remount);
    scene.saturated();
    scene.judge_with_accounting().tell(
        "read-only /run, /var and /etc",
        "while running, killed and started again",
        "`set --save` and the start: exit code 1, `Read-only file system`; what is pinned goes on limiting",
    );
}

#[test]
fn the_bpf_file_system_is_missing() {
    require_lab!();
    let directories = Directories::new();
    let lab = Lab::new().unwrap();
    let without = directories.changed(NO_BPF_FS);
    let (code, said) = refused(limiter(&lab).persist().program(without.clone()).start());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no BPF file system is mounted") && said.contains("persist = false"), "{said}");
    // Without persist it is not needed.
    let first = limiter(&lab).program(without).own_mounts(program()).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    scene.live_goes_on(3);
    scene.judge_with_accounting().tell(
        "no BPF file system, before the start",
        "once",
        "persist = true: exit code 3, says how to mount it; persist = false: limits",
    );
}

#[test]
fn the_bpf_file_system_is_unmounted_under_the_daemon() {
    require_lab!();
    if !has("bpftool", "bpftool") {
        return;
    }
    let directories = Directories::new();
    let lab = Lab::new().unwrap();
    // An instance of the daemon's own: nobody else keeps what is pinned there.
    let own = directories.changed("mount -t bpf none /sys/fs/bpf");
    let first = limiter(&lab).persist().program(own).own_mounts(program()).start().unwrap();
    let mut scene = Scene::begin(lab, first);
    let unmounted = || {
        let status = scene.status();
        status["degraded"].as_array().unwrap().iter().any(|found| found["reason"] == "pins_unmounted")
    };
    assert!(!unmounted());
    within(&scene.limiter, "umount -l /sys/fs/bpf");
    until("the status to say so", PATIENCE, || unmounted().then_some(()));
    until("the log to say so", PATIENCE, || scene.limiter.stderr().contains("is unmounted").then_some(()));
    scene.live_goes_on(3);
    scene.saturated();
    scene.judge_with_accounting().tell(
        "BPF file system unmounted while the daemon runs",
        "once",
        "status and log: `pins_unmounted`; the limit holds as long as the daemon",
    );
}
