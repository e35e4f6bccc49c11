//! A provider's mail about a scan, and what the history says of it.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use testkit::desk::mounts::as_own_user;
use testkit::desk::{PATIENCE, ask, ask_well, until};
use testkit::{Dialer, Lab, Limiter, Mix, require_lab};

const SCANNED: usize = 80;

/// A mail as Hetzner writes it: times by a clock without a zone.
fn mail(destinations: &[SocketAddr], offset: Offset) -> String {
    let clock = offset.to_datetime(Timestamp::now());
    let time = clock.strftime("%a %b %e %H:%M:%S %Y");
    let mut mail = "#  Netscan detected from host 198.18.0.1  #\n\n\
                    time                protocol src_ip src_port          dest_ip dest_port\n"
        .to_owned();
    for destination in destinations {
        let (address, port) = (destination.ip(), destination.port());
        writeln!(mail, "{time} TCP 198.18.0.1 40000 => {address} {port}").unwrap();
    }
    mail
}

#[test]
fn it_names_the_program_and_a_rule_that_holds() {
    require_lab!();
    let (lab, directory) = (Lab::new().unwrap(), tempfile::tempdir().unwrap());
    let program = as_own_user(directory.path());
    let limiter = Limiter::builder(&lab).set("preset", "adaptive").program(program).start().unwrap();
    let dead = lab.draw(&Mix { dead: SCANNED + 20, ..Mix::default() }).unwrap().destinations();
    let (scanned, others) = dead.split_at(SCANNED);
    let dialler = Dialer::new(&lab).destinations(scanned.iter().copied()).spawn().unwrap();
    limiter.await_status("some to wait", PATIENCE, |status| status.host.queued > 0).unwrap();
    let file = directory.path().join("mail.txt");
    let explain = |destinations: &[SocketAddr], more: &[&str]| -> Value {
        fs::write(&file, mail(destinations, Offset::constant(2))).unwrap();
        let arguments = [&["explain", "--json", file.to_str().unwrap()], more].concat();
        serde_json::from_str(&ask_well(&limiter, &arguments)).unwrap()
    };
    let found = until("the history to have them", PATIENCE, || {
        Some(explain(scanned, &[])).filter(|found| found["exact"].as_u64().unwrap() >= 30)
    });
    assert_eq!((&found["connects"], &found["offset"]), (&SCANNED.into(), &"+02".into()), "{found}");
    assert_eq!(found["offset_is_guessed"], true);
    assert_eq!(found["unread"][0]["line"], 1);
    assert_eq!(found["programs"].as_array().unwrap().len(), 1, "{found}");
    let blamed = &found["programs"][0];
    let exe = fs::read_link(format!("/proc/{}/exe", dialler.pid())).unwrap();
    let cgroup = format!("/{}", lab.cgroup().path().file_name().unwrap().to_str().unwrap());
    assert_eq!(
        (blamed["program"]["exe"].as_str(), blamed["program"]["cgroup"].as_str()),
        (exe.to_str(), Some(cgroup.as_str()))
    );
    assert_eq!(blamed["account"], format!("adaptive[{cgroup}]"));
    assert_eq!(blamed["now"], format!("halfopen block 'adaptive[{cgroup}]' --for 24h"));

    // Said wrongly, no time fits.
    assert_eq!(explain(scanned, &["--offset", "-05:00"])["exact"], 0);
    let unknown = explain(others, &[]);
    assert_eq!(unknown["exact"], 0, "{unknown}");

    let config = directory.path().join("rule.toml");
    fs::write(&config, blamed["rule"].as_str().unwrap()).unwrap();
    let checked = ask(&limiter, &["check", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");

    let mut command = limiter.command();
    command.args(["explain", "-"]).stdin(fs::File::open(&file).unwrap());
    let shown = command.output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("20 connects are not in the history"), "{shown}");
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
}
