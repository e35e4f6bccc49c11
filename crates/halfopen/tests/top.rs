//! `top` in tmux, beside a daemon and a scanner: what it shows, what its keys do, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::Signal;
use std::fs;
use std::process::Command;
use testkit::desk::processes::kill;
use testkit::desk::{PATIENCE, ask_well, has, program, said, until};
use testkit::{Dialer, Dialling, Lab, Limiter, Mix, require_lab};

const CREDIT: usize = 2;

/// A server of tmux of its own, with one window of 80 columns and 24 lines.
struct Tmux {
    directory: tempfile::TempDir,
}

impl Tmux {
    /// `top`, then a shell that says how it ended.
    fn top(limiter: &Limiter, variables: &str) -> Self {
        let tmux = Self { directory: tempfile::tempdir().unwrap() };
        let asked = limiter.command();
        let mut start = tmux.command();
        start.args(["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"]);
        for (name, value) in asked.get_envs() {
            start.arg("-e").arg(format!("{}={}", name.display(), value.unwrap().display()));
        }
        let shown = format!(
            "echo before; {variables} {} top; echo \"ended with $?\"; stty -a | tr ';' '\\n' | grep icanon; exec sleep 600",
            asked.get_program().display()
        );
        let started = said(start.arg(format!("exec sh -c '{}'", shown.replace('\'', "'\\''"))));
        assert_eq!(started.code, Some(0), "{started:?}");
        tmux
    }

    fn command(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.directory.path().join("socket")).env("TERM", "xterm-256color");
        tmux
    }

    fn screen(&self) -> String {
        said(self.command().args(["capture-pane", "-p"])).out
    }

    fn keys(&self, keys: &[&str]) {
        let pressed = said(self.command().arg("send-keys").args(keys));
        assert_eq!(pressed.code, Some(0), "{pressed:?}");
    }

    fn until(&self, text: &str) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(text, PATIENCE, || {
                last = self.screen();
                last.contains(text).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("no {text:?} on the screen:\n{last}"))
    }

    /// The process of `top`.
    fn pid(&self) -> u32 {
        let shell = said(self.command().args(["display-message", "-p", "#{pane_pid}"])).out;
        let shell = shell.trim().parse().unwrap();
        until("top", PATIENCE, || testkit::desk::processes::child_called(shell, "halfopen"))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = said(self.command().arg("kill-server"));
    }
}

/// A scanner in a service of its own, which has spent its credit.
struct Scene {
    _dialling: Dialling,
    limiter: Limiter,
    _lab: Lab,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
        let config = directory.path().join("halfopen.toml");
        let path = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
        let text = format!(
            "preset = \"none\"\npersist = true\n[[scope]]\nname = \"each\"\nmatch = {{ cgroup = \"{path}/*\" }}\n\
             per = \"cgroup\"\nfirst_contacts = {CREDIT}\n"
        );
        fs::write(&config, text).unwrap();
        let limiter = Limiter::builder(&lab).program(program()).config(&config).persist().start().unwrap();
        let cgroup = lab.cgroup().child("scan.service").unwrap();
        let dead = lab.draw(&Mix { dead: 400, ..Mix::default() }).unwrap().destinations();
        let dialling = Dialer::new(&lab).cgroup(&cgroup).destinations(dead).spawn().unwrap();
        // The cgroup goes with the lab's.
        std::mem::forget(cgroup);
        Self { _dialling: dialling, limiter, _lab: lab, _directory: directory }
    }
}

fn can() -> bool {
    has("tmux", "tmux")
}

#[test]
fn an_account_is_found_looked_at_blocked_and_released_and_its_limit_changed() {
    require_lab!();
    if !can() {
        return;
    }
    let scene = Scene::new();
    let top = Tmux::top(&scene.limiter, "");
    let shown = top.until("scan.service]");
    let row = shown.lines().find(|line| line.contains("scan.service]")).unwrap();
    let numbers: Vec<&str> = row.split_whitespace().collect();
    assert!(numbers[0].parse::<u32>().unwrap() > 100 && numbers[2] == "-", "{shown}");
    assert!(shown.starts_with("halfopen: mode enforce, preset none, suspects: "), "{shown}");
    top.keys(&["/", "scan.serv", "Enter", "Enter"]);
    top.until("DESTINATIONS");
    let page = top.until("port ");
    assert!(page.contains("lab-dial (pid ") && page.contains("198.18."), "{page}");

    top.keys(&["b"]);
    top.until("for 1 hour?");
    top.keys(&["y"]);
    top.until("BLOCKED until");
    assert!(ask_well(&scene.limiter, &["status"]).contains("blocked by hand until"));
    top.keys(&["r"]);
    top.until("no longer blocked");
    top.keys(&["y"]);
    top.until("released each[");
    top.keys(&["Escape", "l"]);
    top.until("scope.each.half_open = _");
    top.keys(&["7", "Enter"]);
    top.until("Set scope.each.half_open = 7 (now unlimited)?");
    top.keys(&["y"]);
    top.until("scope.each.half_open = 7 (was unlimited)");
    assert_eq!(scene.limiter.get("scope.each.half_open").unwrap(), "7");

    top.keys(&["q"]);
    let ended = top.until("ended with 0");
    assert!(
        ended.contains("before") && !ended.contains("halfopen:"),
        "what was on the screen is there: {ended}"
    );
    let restored = top.until("icanon");
    assert!(!restored.contains("-icanon"), "{restored}");
}

#[test]
fn a_daemon_that_is_started_again_is_told_and_a_signal_leaves_the_terminal_as_it_was() {
    require_lab!();
    if !can() {
        return;
    }
    let mut scene = Scene::new();
    let top = Tmux::top(&scene.limiter, "NO_COLOR=1");
    top.until("scan.service]");
    scene.limiter.kill();
    top.until("OLD NUMBERS: ");
    top.until("scan.service]");
    scene.limiter.start_again().unwrap();
    top.until("another daemon answers now");
    kill(top.pid(), Signal::TERM);
    let ended = top.until("ended with 0");
    assert!(ended.contains("before") && !top.until("icanon").contains("-icanon"), "{ended}");
}

#[test]
fn a_terminal_that_cannot_is_refused_with_what_can() {
    require_lab!();
    if !can() {
        return;
    }
    let lab = Lab::new().unwrap();
    let limiter = Limiter::builder(&lab).start().unwrap();
    let top = Tmux::top(&limiter, "TERM=dumb");
    let refused = top.until("ended with 2");
    assert!(refused.replace('\n', "").contains("use `halfopen status --watch`"), "{refused}");
    let piped = said(limiter.command().arg("top"));
    assert!(piped.code == Some(2) && piped.error.contains("top needs a terminal"), "{piped:?}");
}
