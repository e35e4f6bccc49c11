//! Running the program under test, once or again and again.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limiter;
use crate::{Cgroup, Lab, LabError, artifact, pins, tool};

/// How to run the program under test.
#[derive(Debug)]
#[must_use]
pub struct LimiterBuilder<'a> {
    lab: &'a Lab,
    limited: Option<&'a Cgroup>,
    in_client: bool,
    program: Option<PathBuf>,
    config: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    run_directory: Option<PathBuf>,
    persist: bool,
    own_mounts: Option<PathBuf>,
}

impl<'a> LimiterBuilder<'a> {
    pub(super) fn new(lab: &'a Lab) -> Self {
        Self {
            lab,
            limited: None,
            in_client: false,
            program: None,
            config: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            run_directory: None,
            persist: false,
            own_mounts: None,
        }
    }

    /// Adds `--set name=value`.
    pub fn set(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.arguments.extend(["--set".into(), format!("{name}={value}").into()]);
        self
    }

    /// Runs it with `--config file`; else with one that is empty: what the host has configured is not a lab's.
    pub fn config(mut self, file: &Path) -> Self {
        self.config = Some(file.to_owned());
        self
    }

    /// Has the limit outlive the process, pinned at [`Lab::pins`].
    pub fn persist(mut self) -> Self {
        self.persist = true;
        self.set("persist", true)
    }

    /// Sets a variable of its environment.
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it with this run directory, which stays when the limiter is dropped; else it has one of its own.
    pub fn run_directory(mut self, path: &Path) -> Self {
        self.run_directory = Some(path.to_owned());
        self
    }

    /// The program moves to a mount namespace of its own: [`Limiter::command`] runs `asked_by` there.
    pub fn own_mounts(mut self, asked_by: PathBuf) -> Self {
        self.own_mounts = Some(asked_by);
        self
    }

    /// Limits another cgroup than the lab's.
    pub fn limited(mut self, cgroup: &'a Cgroup) -> Self {
        self.limited = Some(cgroup);
        self
    }

    /// Runs it in the network namespace of the lab's client; else in the one of the test.
    pub fn in_client(mut self) -> Self {
        self.in_client = true;
        self
    }

    /// Runs this program; else it is the `halfopen` that `HALFOPEN_BIN` names or that lies beside the running test.
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Runs it and waits until it is ready.
    ///
    /// # Errors
    /// When it is not built, ends, or is not ready in time; what it said is in the error.
    pub fn start(self) -> Result<Limiter, LabError> {
        if self.persist {
            pins::mount_bpf_fs()?;
        }
        let own_directory = tempfile::tempdir().map_err(LabError::io("make a directory for the limiter"))?;
        let config = self.config.unwrap_or_else(|| own_directory.path().join("halfopen.toml"));
        if config.starts_with(own_directory.path()) {
            fs::write(&config, "").map_err(LabError::io("write an empty configuration"))?;
        }
        let run_directory = own_directory.path().join("run");
        fs::create_dir(&run_directory).map_err(LabError::io("make a run directory for the limiter"))?;
        let mut arguments = self.arguments;
        if !names_a_preset(&config, &arguments) {
            arguments.extend(["--set".into(), "preset=xp-sp2".into()]);
        }
        arguments.extend(["--config".into(), config.into()]);
        let plan = Plan {
            program: self.program.map_or_else(|| artifact("halfopen", "HALFOPEN_BIN"), Ok)?,
            limited: self.limited.unwrap_or(self.lab.cgroup()).path().to_owned(),
            netns: self.in_client.then(|| self.lab.client().path()),
            arguments,
            environment: self.environment,
            run_directory: self.run_directory.unwrap_or(run_directory),
            pins: self.lab.pins().to_owned(),
            own_mounts: self.own_mounts,
        };
        let own_cgroup = self.lab.limiter_cgroup()?;
        let process = Process::begin(&plan, &own_cgroup)?;
        let mut limiter = Limiter { plan, process, own_cgroup, _own_directory: own_directory };
        limiter.await_ready()?;
        Ok(limiter)
    }
}

/// Most tests are of what every preset does, and count with the round numbers of one.
fn names_a_preset(config: &Path, arguments: &[OsString]) -> bool {
    let said = fs::read_to_string(config).unwrap_or_default();
    said.contains("preset = ")
        || arguments.iter().any(|argument| argument.as_encoded_bytes().starts_with(b"preset="))
}

/// How it is run, each time.
#[derive(Debug)]
pub(super) struct Plan {
    pub program: PathBuf,
    limited: PathBuf,
    netns: Option<PathBuf>,
    pub arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    pub run_directory: PathBuf,
    pins: PathBuf,
    pub own_mounts: Option<PathBuf>,
}

impl Plan {
    pub fn directories(&self) -> [(&'static str, &Path); 2] {
        [("HALFOPEN_RUN_DIR", &self.run_directory), ("HALFOPEN_PIN_DIR", &self.pins)]
    }
}

#[derive(Debug)]
pub(super) struct Process {
    pub child: Child,
    pub shown: String,
    said: Arc<Mutex<String>>,
    pub reader: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    pub fn begin(plan: &Plan, cgroup: &Cgroup) -> Result<Self, LabError> {
        let mut command = match &plan.netns {
            Some(netns) => {
                let mut command = cgroup.command("nsenter");
                command.arg(format!("--net={}", netns.display())).arg("--").arg(&plan.program);
                command
            }
            None => cgroup.command(&plan.program),
        };
        command
            .args(["run", "--cgroup"])
            .arg(&plan.limited)
            .args(&plan.arguments)
            .envs(plan.directories())
            .envs(plan.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let shown = tool::shown(&command);
        let mut child = command.spawn().map_err(LabError::io(format!("run `{shown}`")))?;
        let said = Arc::new(Mutex::new(String::new()));
        let reader = child.stderr.take().map(|stderr| {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push_str(&line);
                    said.push('\n');
                }
            })
        });
        Ok(Self { child, shown, said, reader })
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
