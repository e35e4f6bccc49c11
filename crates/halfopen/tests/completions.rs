//! What shells complete: by their own scripts, from the running daemon.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::process::Command;
use testkit::desk::{PATIENCE, has, program, said};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/completions");

/// Each shell, its package, and how it is asked what `words` can go on with; the last of them is begun.
fn asked(shell: &str, words: &[&str]) -> (String, Vec<String>) {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (count, quoted) = (words.len(), quoted.join(" "));
    let text = match shell {
        "bash" => format!(
            "source {SCRIPTS}/halfopen.bash; COMP_WORDS=({quoted}); COMP_CWORD={}; _halfopen; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            count - 1
        ),
        // compadd and _files work only where zsh itself completes.
        "zsh" => format!(
            "compadd() {{ print -rl -- $words_offered }}; _files() {{ print -r -- a file }}; \
             complete_it() {{ local -a words=({quoted}); local CURRENT={count}; source {SCRIPTS}/_halfopen }}; complete_it"
        ),
        _ => format!("source {SCRIPTS}/halfopen.fish; complete -C '{}'", words.join(" ")),
    };
    let options = match shell {
        "bash" => vec!["--norc", "--noprofile", "-c"],
        "zsh" => vec!["-f", "-c"],
        _ => vec!["--no-config", "-c"],
    };
    (text, options.into_iter().map(str::to_owned).collect())
}

#[test]
fn each_shell_offers_commands_presets_keys_scopes_and_accounts() {
    require_lab!();
    if !(has("zsh", "zsh") && has("fish", "fish")) {
        return;
    }
    let lab = Lab::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("halfopen.toml");
    let rule = "preset = \"adaptive\"\n[[scope]]\nname = \"torrent\"\nmatch = { cgroup = \"/none\" }\nhalf_open = 4\n";
    std::fs::write(&config, rule).unwrap();
    let scan = lab.cgroup().child("a b.service").unwrap();
    let limiter = Limiter::builder(&lab).config(&config).start().unwrap();
    let dead = lab.draw(&Mix { dead: 60, ..Mix::default() }).unwrap().destinations();
    let _dialling = Dialer::new(&lab).cgroup(&scan).destinations(dead).spawn().unwrap();
    limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
    let status = limiter.status().unwrap();
    let account = status.scopes.iter().find(|scope| scope.name.ends_with("a b.service]")).unwrap();

    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    for shell in ["bash", "zsh", "fish"] {
        let offers = |words: &[&str]| {
            let (text, options) = asked(shell, words);
            let mut command = Command::new(shell);
            command
                .args(options)
                .arg(text)
                .env("PATH", &path)
                .env("HALFOPEN_RUN_DIR", limiter.run_directory());
            let said = said(&mut command);
            // What fish shows beside a word is after a tab.
            said.out.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(offers(&["halfopen", "stat"]), ["status"], "{shell}");
        assert_eq!(offers(&["halfopen", "status", "--wat"]), ["--watch"], "{shell}");
        assert_eq!(offers(&["halfopen", "preset", "vista"]), ["vista-home"], "{shell}");
        assert_eq!(offers(&["halfopen", "set", "--save", "host.half"]), ["host.half_open"], "{shell}");
        assert_eq!(offers(&["halfopen", "get", "scope.torrent.drai"]), ["scope.torrent.drain"], "{shell}");
        assert_eq!(offers(&["halfopen", "why", "lab-d"]), ["lab-dial"], "{shell}");
        let shown: Vec<String> = offers(&["halfopen", "release", "adaptive"]);
        // bash is given the word as it is to stand on the line.
        let whole = shown.iter().map(|word| word.replace('\\', "")).find(|word| *word == account.name);
        assert!(whole.is_some(), "{shell}: {} is not among {shown:?}", account.name);
        assert_eq!(shown.iter().any(|word| word.contains(r"a\ b")), shell == "bash", "{shell}: {shown:?}");
    }
}
