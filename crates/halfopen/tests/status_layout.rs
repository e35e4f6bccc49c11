//! What `status` looks like: 80 columns, whatever names there are, and again and again with `--watch`.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use testkit::desk::{PATIENCE, ask_well, unbroken};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

/// As a container runtime names it.
const CONTAINER: &str = "docker-8d1c0f0a6b2e4a57a2b94c7f3c8be5d0f6e1a9b3c5d7e9f1a3b5c7d9e1f3a5b7.scope";

#[test]
fn every_line_fits_80_columns_and_the_json_has_the_names_in_full() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let cgroup = lab.cgroup().child(CONTAINER).unwrap();
    let limiter = Limiter::builder(&lab)
        .set("preset", "adaptive")
        .set("resolvers", "192.0.2.53,198.51.100.53,203.0.113.53")
        .start()
        .unwrap();
    let dead = lab.draw(&Mix { dead: 400, ..Mix::default() }).unwrap().destinations();
    let _dialling = Dialer::new(&lab).cgroup(&cgroup).destinations(dead).spawn().unwrap();
    limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();

    let shown = ask_well(&limiter, &["status"]);
    println!("{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}\n{shown}", line.chars().count());
    }
    // Both ends of the name are there, once as an account and once beside its program.
    assert_eq!(shown.matches("a5b7.scope").count(), 2, "{shown}");
    assert!(!shown.contains(CONTAINER) && unbroken(&shown).contains("resolvers: 192.0.2.53, "), "{shown}");
    let json: Value = serde_json::from_str(&ask_well(&limiter, &["status", "--json"])).unwrap();
    let whole = |name: &Value| name.as_str().is_some_and(|name| name.contains(CONTAINER));
    assert!(whole(&json["programs"][0]["cgroup"]), "{json}");
    assert!(json["scopes"].as_array().unwrap().iter().any(|scope| whole(&scope["name"])), "{json}");
}

#[test]
fn it_is_watched_until_ctrl_c_with_a_terminal_and_without() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let limiter = Limiter::builder(&lab).start().unwrap();
    let asked = limiter.command();
    let program = asked.get_program().to_str().unwrap().to_owned();
    for (has_terminal, redrawn) in [(true, true), (false, false)] {
        let mut command = if has_terminal {
            let mut script = Command::new("script");
            script.args([
                "--quiet",
                "--flush",
                "--command",
                &format!("exec {program} status --watch"),
                "/dev/null",
            ]);
            script.env("TERM", "xterm");
            script
        } else {
            let mut plain = Command::new(&program);
            plain.args(["status", "--watch"]);
            plain
        };
        command.envs(asked.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut read = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while read.matches("mode enforce, ").count() < 3 {
            assert!(lines.read_line(&mut read).unwrap() > 0, "it has ended: {read}");
        }
        assert_eq!(read.matches("\x1b[Hmode enforce, ").count() == 3, redrawn, "{read:?}");
        assert_eq!(read.contains('\x1b'), redrawn, "{read:?}");
        let signal = if has_terminal { Signal::TERM } else { Signal::INT };
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait().unwrap();
        assert!(has_terminal || ended.signal() == Some(Signal::INT.as_raw()), "{ended:?}");
    }
}
