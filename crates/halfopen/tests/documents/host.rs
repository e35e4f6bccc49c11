//! A host on which the documents' commands are run as they stand, but for names that each host has of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use testkit::desk::mounts::changed_for;
use testkit::desk::{PATIENCE, program, said, until};
use testkit::{Cgroup, Dialer, Dialling, Lab, Limiter, Mix};

/// What the pages speak of.
const CONFIGURATION: &str = r#"
preset = "adaptive"
persist = true
resolvers = ["192.0.2.53"]
[[scope]]
name = "torrent"
match = { cgroup = "/system.slice/transmission*.service" }
per = "cgroup"
half_open = 4
[[deny]]
name = "private"
to = ["10.0.0.0/8"]
mode = "audit"
[dashboard]
listen = "127.0.0.1:4227"
"#;
/// The cgroup of the pages' account.
const ACCOUNT: &str = "/system.slice/foo.service";
/// The file of the registry editor that they speak of.
const LIMITS: &str = r#"Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters]
"TcpNumConnections"=dword:00000100
"#;
/// The mail that they speak of.
const MAIL: &str = "Tue Nov 24 12:01:01 2026 TCP 203.0.113.5 54321 => 198.51.100.7 22\n";
/// A capture without packets.
const CAPTURE: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
/// The scenario that they speak of.
const SCENARIO: &str = "about = \"a worm\"\nuntil = \"1d\"\nworm = \"uniform\"\ncase = [{ hosts = {} }]\n\
                        [population]\nvulnerable = 100\nspace_bits = 16\n";
/// Commands that the text speaks of without the arguments that they need.
const MENTIONED: [&str; 12] = [
    "halfopen explain FILE",
    "halfopen record",
    "halfopen replay",
    "halfopen set",
    "halfopen import",
    "halfopen block",
    "halfopen release",
    "halfopen exec",
    "halfopen why",
    "halfopen inspect",
    "halfopen get",
    "halfopen set --json",
];

/// A laboratory with a limiter that is started where a command needs it.
pub struct Host {
    lab: Lab,
    directory: tempfile::TempDir,
    account: Cgroup,
    scanner: Cgroup,
    running: Option<Running>,
}

struct Running {
    limiter: Limiter,
    waiting: Dialling,
    /// A scan that a page starts.
    scan: Option<Child>,
}

impl Host {
    pub fn new() -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("limits.reg"), LIMITS).unwrap();
        std::fs::write(directory.path().join("abuse.txt"), MAIL).unwrap();
        std::fs::create_dir(directory.path().join("week")).unwrap();
        for capture in ["yesterday.pcap", "week/monday.pcap"] {
            std::fs::write(directory.path().join(capture), CAPTURE).unwrap();
        }
        std::fs::write(directory.path().join("new.toml"), CONFIGURATION).unwrap();
        std::fs::write(directory.path().join("mine.toml"), SCENARIO).unwrap();
        let account = lab.cgroup().child("foo.service").unwrap();
        let scanner = lab.cgroup().child("scan").unwrap();
        Self { lab, directory, account, scanner, running: None }
    }

    /// Runs a command. `output` is what is shown as its output; that of commands that print values is compared.
    /// `None` if it is not run here: see the other tests.
    pub fn run(&mut self, command: &str, output: &[String]) -> Option<Result<(), String>> {
        if let Some(scan) = command.strip_prefix("systemd-run --unit=scan ") {
            return Some(self.scan(scan));
        }
        let is_run = command == "halfopen run"
            || (command.starts_with("halfopen run ") && !command.ends_with("--help"));
        // It needs a terminal.
        let is_top = command == "halfopen top";
        let is_run_here = ["halfopen ", "rm "].iter().any(|program| command.starts_with(program))
            || (command.starts_with("curl ") && command.contains("--unix-socket"));
        if is_run || is_top || !is_run_here {
            return None;
        }
        let lab_cgroup = self.lab.cgroup().path().display().to_string();
        let account = self.account.path().strip_prefix(self.lab.cgroup().path().parent()?).ok()?;
        let account = format!("/{}", account.display());
        let pins = self.lab.pins().display().to_string();
        let directory = self.directory.path().display().to_string();
        if self.running.is_none() {
            self.running = Some(Running::start(&self.lab, &self.directory, &self.account));
        }
        let running = self.running.as_mut()?;
        let pid = running.waiting.pid().to_string();
        let words = [
            ("why 2244", format!("why {pid}")),
            ("inspect 2244", format!("inspect {pid}")),
            ("subject=2244", format!("subject={pid}")),
            (
                "/run/halfopen/control.sock",
                running.limiter.run_directory().join("control.sock").display().to_string(),
            ),
            ("why 4242", format!("why {pid}")),
            ("inspect 4242", format!("inspect {pid}")),
            // A million hosts take their time without optimization.
            ("simulate sasser", "simulate lan".into()),
            ("SCENARIO", "lan".into()),
            ("./halfopen.toml", "/etc/halfopen/halfopen.toml".into()),
            ("record --for 1h -o monday.trace", "record --for 1s --overwrite -o monday.trace".into()),
            ("record -o -", "record --for 1s -o -".into()),
            ("replay --json FILE", "replay --json yesterday.pcap".into()),
            ("import --json FILE", "import --json limits.reg".into()),
            ("PID", pid),
            ("ADDR", "198.18.1.33".into()),
            ("ACCOUNT", format!("'adaptive[{ACCOUNT}]'")),
            (ACCOUNT, account.clone()),
            ("COMMAND", "run".into()),
            ("KEY VALUE", "half_open 300".into()),
            ("KEY", "half_open".into()),
            ("preset NAME", "preset adaptive".into()),
            ("-- CMD", "-- true".into()),
            ("/sys/fs/bpf/halfopen", pins),
            ("/sys/fs/cgroup/kubepods.slice", lab_cgroup),
        ];
        let mut typed = words.iter().fold(command.to_owned(), |text, (word, with)| text.replace(word, with));
        if MENTIONED.contains(&command) {
            typed.push_str(" --help");
        }
        match command.strip_prefix("halfopen enforce ") {
            Some("--confirm") => {
                typed = format!("halfopen set mode audit; halfopen enforce --for 10m; {typed}");
            }
            None if command.starts_with("halfopen block ") => {
                // What other commands ask about waits on.
                typed = format!("halfopen set mode enforce; {typed} && halfopen release --all");
            }
            // It takes a day of minutes.
            None if command.starts_with("halfopen tune --apply") => {
                typed.push_str(" 2>&1 | grep -E 'nothing is recommended|no whole minute'");
            }
            Some(_) if command.contains(" --for ") => typed = format!("halfopen set mode audit; {typed}"),
            None if command.ends_with("/v1/enforce") => typed = format!("halfopen set mode audit; {typed}"),
            _ => {}
        }
        // These go on until they are interrupted; `timeout` then ends with 124.
        if typed.contains("--follow")
            || typed.contains("--watch")
            || typed.contains("event-stream")
            || typed.contains("nmap")
        {
            typed = format!("timeout --signal=INT --kill-after=10 3 {typed} || test $? = 124");
        }
        let mut shell = Command::new("nsenter");
        shell.arg(format!("--net={}", self.lab.client().path().display()));
        shell.args(["--mount", "--target", &running.limiter.pid().to_string(), "--"]);
        // To enter a mount namespace is to leave the working directory.
        shell.args(["sh", "-c", &format!("cd '{directory}' && {typed}")]);
        let path = program().parent().unwrap().display().to_string();
        shell.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()));
        let variables = running.limiter.command();
        shell.envs(variables.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let said = said(&mut shell);
        if typed.starts_with("halfopen off") || typed.starts_with("rm ") {
            self.end();
        }
        let compared = ["halfopen get ", "halfopen set "];
        let wanted = output.join("\n").replace(ACCOUNT, &account);
        let is_as_shown = output.is_empty()
            || !compared.iter().any(|start| command.starts_with(start))
            || said.out == wanted;
        Some(match said.code {
            Some(0) if is_as_shown => Ok(()),
            code => Err(format!("`{typed}` ends with {code:?}: {}{}", said.out, said.error)),
        })
    }

    /// Takes back what the commands of a page have written into files.
    pub fn turn_page(&self) {
        if let Some(running) = &self.running {
            let pid = running.limiter.pid().to_string();
            let mut restore = Command::new("nsenter");
            restore.args([
                "--mount",
                "--target",
                &pid,
                "--",
                "sh",
                "-c",
                &restore_configuration(&self.directory),
            ]);
            assert_eq!(said(&mut restore).code, Some(0), "{restore:?}");
        }
    }

    /// Ends what has been started; the next command begins anew.
    fn end(&mut self) {
        if let Some(Running { scan: Some(mut scan), .. }) = self.running.take() {
            // Both fail only where it has ended already.
            let _ = scan.kill();
            let _ = scan.wait();
        }
    }

    /// A unit of systemd's, as far as the limiter sees it: a program in a cgroup of its own.
    fn scan(&mut self, command: &str) -> Result<(), String> {
        if self.running.is_none() {
            self.running = Some(Running::start(&self.lab, &self.directory, &self.account));
        }
        let running = self.running.as_mut().unwrap();
        let mut words = command.split_whitespace();
        let mut scan = self.lab.client().command_in(&self.scanner, words.next().ok_or("no program")?);
        scan.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        running.scan = Some(scan.spawn().map_err(|e| e.to_string())?);
        let reached =
            || running.limiter.events().is_ok_and(|events| events.iter().any(|event| event.id == 4226));
        until("event 4226", PATIENCE, || reached().then_some(()));
        Ok(())
    }
}

fn restore_configuration(directory: &tempfile::TempDir) -> String {
    let file = directory.path().join("packaged.toml");
    format!(
        "rm -rf /etc/halfopen; mkdir -p /etc/halfopen/conf.d; install -D -m 644 \"{}\" /etc/halfopen/halfopen.toml",
        file.display()
    )
}

impl Running {
    fn start(lab: &Lab, directory: &tempfile::TempDir, account: &Cgroup) -> Self {
        std::fs::write(directory.path().join("packaged.toml"), CONFIGURATION).unwrap();
        // /etc with a layer of its own over it, so that the host's configuration is neither read nor written.
        let layers = format!(
            "mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work; \
             mount -t overlay etc -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc; \
             {}",
            restore_configuration(directory)
        );
        let own = changed_for(directory.path(), &layers);
        let limiter = Limiter::builder(lab)
            .set("preset", "adaptive")
            .persist()
            .config(&PathBuf::from("/etc/halfopen/halfopen.toml"))
            .program(own)
            .own_mounts(program())
            .start()
            .unwrap();
        let dead = lab.draw(&Mix { dead: 60, ..Mix::default() }).unwrap();
        let waiting = Dialer::new(lab).destinations(dead.destinations()).cgroup(account).spawn().unwrap();
        limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
        Self { limiter, waiting, scan: None }
    }
}
