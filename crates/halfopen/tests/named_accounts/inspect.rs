//! `inspect`: what is known of an account by its name, by a process and by an address, also when the process and its unit
//! have ended.

use crate::scene::{CREDIT, Host, MUCH_CREDIT, account, dial, path_of, scanner};
use halfopen::utc_time::UtcTime;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::desk::{PATIENCE, ask, ask_well, until};
use testkit::{HostKind, require_lab};

fn assert_harmless(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

fn found<'v>(list: &'v Value, key: &str, value: &Value) -> &'v Value {
    let mut items = list.as_array().unwrap().iter();
    items.find(|item| item[key] == *value).unwrap_or_else(|| panic!("no {key} {value} in {list}"))
}

#[test]
fn an_account_is_inspected_by_name_by_process_and_by_address() {
    require_lab!();
    let host = Host::new(CREDIT, "exempt = [\"192.0.2.0/24\"]\n[host]\nhalf_open = 200\n");
    let cgroup = host.lab.cgroup().child("scan").unwrap();
    let mut program = scanner(&host, &cgroup);
    let (live, ssh) = (host.draw(HostKind::Live, 1, 0), host.draw(HostKind::Dead, 20, 22));
    dial(&mut program, &live);
    dial(&mut program, &ssh);
    dial(&mut program, &host.draw(HostKind::Dead, 12, 443));
    let name = account(&host, "scan");
    until("the answer and the waiters", PATIENCE, || {
        let account = &host.inspect(&name)["accounts"][0];
        let (queued, established) =
            (account["status"]["queued"].as_u64(), account["status"]["established"].as_u64());
        (established == Some(1) && queued > Some(0)).then_some(())
    });

    let inspection = host.inspect(&name);
    assert_eq!((&inspection["subject"], &inspection["mode"]), (&name.as_str().into(), &"enforce".into()));
    let account = &inspection["accounts"][0];
    let runs = &account["programs"][0];
    assert_eq!(
        (&runs["pid"], &runs["is_running"], &runs["user"]),
        (&program.pid().into(), &true.into(), &"root".into())
    );
    let command_line = runs["command_line"].as_str().unwrap();
    assert!(
        command_line.contains("python3 ") && command_line.ends_with(r"/accounts.py \x1b[2J"),
        "{command_line}"
    );
    assert!(runs["exe"].as_str().unwrap().contains("python3"), "{runs}");
    assert_eq!(runs["cgroup"], format!("{}/scan", path_of(host.lab.cgroup())));
    assert_eq!(runs["parent"]["pid"], std::process::id());
    assert!(runs["parent"]["command_line"].as_str().unwrap().contains("named_accounts"), "{runs}");
    assert!(runs["first_seen"].is_string() && account["first_seen"].is_string(), "{account}");
    assert_eq!(account["programs"].as_array().unwrap().len(), 1);
    let port = found(&account["ports"], "port", &22.into());
    let (queued, unanswered) = (port["queued"].as_u64().unwrap(), port["unanswered"].as_u64().unwrap());
    assert_eq!((&port["addresses"], queued + unanswered), (&20.into(), 20));
    assert!(queued > 0 && unanswered > 0, "{port}");
    assert_eq!(found(&account["ports"], "port", &443.into())["addresses"], 12);
    let outcomes = account["status"]["failed"].as_u64().unwrap() + 1;
    assert!((account["answered_share"].as_f64().unwrap() - 1.0 / outcomes as f64).abs() < 1e-9, "{account}");
    assert_eq!(account["live"], 32);
    let waits = account["attempts"][0]["waits_for"].as_str().unwrap();
    assert!(waits.starts_with("credit: it is a first contact"), "{waits}");
    for (rule, key, value) in [
        ("scope.each", "first_contacts", CREDIT.to_string()),
        ("scope.each", "per", "cgroup".to_owned()),
        ("host", "half_open", "200".to_owned()),
    ] {
        let mut rules = account["rules"].as_array().unwrap().iter();
        let found = rules.find(|found| found["rule"] == rule && found["key"] == key);
        let found = found.unwrap_or_else(|| panic!("no {rule} {key} in {account}"));
        assert!(
            found["value"] == value && found["origin"].as_str().unwrap().contains("halfopen.toml:"),
            "{found}"
        );
    }

    let text = ask_well(&host.limiter, &["inspect", &name]);
    assert_harmless(&text);
    assert_eq!(text.matches("waits for credit: ").count(), 1, "once for all: {text}");
    for part in [
        &format!("{name}: queued "),
        "answered: 1 of ",
        &format!("command line: {command_line}"),
        &format!("(pid {}): ", std::process::id()),
        "22: 20 addresses, ",
        "scope.each: ",
        "waits for credit: it is a first contact",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }

    // The cgroup alone, the process and an address lead to the same account.
    let (path, pid) = (format!("{}/scan", path_of(host.lab.cgroup())), program.pid().to_string());
    for whom in [&path, &pid, &ssh[0].ip().to_string(), &ssh[0].to_string()] {
        let accounts = &host.inspect(whom)["accounts"];
        assert_eq!(
            (accounts.as_array().unwrap().len(), &accounts[0]["status"]["name"]),
            (1, &name.as_str().into())
        );
    }
    let by_process = host.inspect(&pid);
    assert_eq!(by_process["process"]["command_line"], command_line);
    assert_eq!(by_process["process"]["parent"]["pid"], std::process::id());
    assert!(ask_well(&host.limiter, &["inspect", &pid]).starts_with("python3 (pid "), "{by_process}");
    let mut quiet = scanner(&host, &cgroup);
    // It is in its cgroup once it answers.
    quiet.tell(&json!({ "close": true }));
    quiet.hear(PATIENCE);
    let by_cgroup = &host.inspect(&quiet.pid().to_string())["accounts"];
    assert_eq!(by_cgroup[0]["status"]["name"], name, "where it would be charged");
    assert_eq!(host.inspect("each")["accounts_of_scope"], json!([name]));
    assert_eq!(host.inspect("192.0.2.7")["accounts"], json!([]));
    let exempt = ask_well(&host.limiter, &["inspect", "192.0.2.7"]);
    assert!(exempt.contains("192.0.2.0/24 is exempt") && exempt.contains("no live attempt"), "{exempt}");
    let other = SocketAddr::new(ssh[0].ip(), 2_222).to_string();
    assert_eq!(host.inspect(&other)["accounts"], json!([]), "another port");
}

#[test]
fn an_unknown_name_is_told_with_near_ones() {
    require_lab!();
    let host = Host::new(CREDIT, "");
    let cgroup = host.lab.cgroup().child("scan").unwrap();
    let mut program = scanner(&host, &cgroup);
    dial(&mut program, &host.draw(HostKind::Dead, 1, 22));
    let name = account(&host, "scan");
    host.inspect(&name);
    for (whom, told) in [
        (format!("each[{}/scam]", path_of(host.lab.cgroup())), &name),
        (format!("{}/sca", path_of(host.lab.cgroup())), &name),
        ("eech".to_owned(), &"each".to_owned()),
        ("each[user root]".to_owned(), &"there is no account each[user root]".to_owned()),
        ("4194303".to_owned(), &"there is no process 4194303".to_owned()),
    ] {
        let refused = ask(&host.limiter, &["inspect", &whom]);
        assert!(refused.code == Some(1) && refused.error.contains(told.as_str()), "{whom}: {refused:?}");
    }
    let wrong = ask(&host.limiter, &["inspect", "each["]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn what_is_known_survives_the_end_of_the_process_and_of_its_unit() {
    require_lab!();
    let host = Host::new(MUCH_CREDIT, "");
    let cgroup = host.lab.cgroup().child("scan").unwrap();
    let name = account(&host, "scan");
    let mut program = scanner(&host, &cgroup);
    dial(&mut program, &host.draw(HostKind::Dead, 60, 22));
    host.until_suspect(&name);
    let before = host.inspect(&name)["accounts"][0].clone();
    let report: Value = serde_json::from_str(&ask_well(&host.limiter, &["report", "--json"])).unwrap();
    let suspect = found(&report["suspects"], "account", &name.as_str().into());
    assert!(suspect["since"].is_string() && suspect["established"] == 0, "{suspect}");
    found(&report["advice"], "step", &"inspect_suspects".into());
    let text = ask_well(&host.limiter, &["report"]);
    assert!(text.lines().any(|line| line.starts_with("suspect since ") && line.contains(&name)), "{text}");
    let (pid, address) =
        (program.pid().to_string(), before["ports"][0]["sample"][0].as_str().unwrap().to_owned());
    program.kill();
    drop(cgroup);
    for whom in [&name, &format!("{}/scan", path_of(host.lab.cgroup())), &pid, &address] {
        let inspection = host.inspect(whom);
        let account = &inspection["accounts"][0];
        assert_eq!(account["status"]["name"], name, "{whom}");
        let (was, now) = (&before["programs"][0], &account["programs"][0]);
        for key in ["pid", "exe", "command_line", "cgroup", "parent", "user"] {
            assert_eq!(was[key], now[key], "{whom}: {key}");
        }
        // The wall clock is read again at each answer, a moment after the monotonic one.
        let first_seen = |of: &Value| of["first_seen"].as_str().unwrap().parse::<UtcTime>().unwrap().as_ms();
        assert!(first_seen(was).abs_diff(first_seen(now)) < 1_000, "{whom}: {was} {now}");
        assert_eq!((&was["is_running"], &now["is_running"]), (&true.into(), &false.into()));
        assert_eq!(
            (&account["ports"][0]["addresses"], &account["ports"][0]["queued"]),
            (&60.into(), &0.into())
        );
        assert!(account["events"].as_array().unwrap().iter().any(|event| event["id"] == 4227), "{account}");
        assert!(account["status"]["suspect_since"].is_string(), "{account}");
        assert!(inspection["process"].is_null());
    }
    let status = ask_well(&host.limiter, &["status", "--json"]);
    assert!(status.contains(&format!("\"{name}\"")), "status calls it as before: {status}");
    assert_eq!(ask_well(&host.limiter, &["release", &name]), format!("released {name}"));
}

#[test]
fn accounts_of_users_and_processes_have_names_too() {
    require_lab!();
    let rule = |name: &str, per: &str| {
        format!(
            "[[scope]]\nname = \"{name}\"\nmatch = {{ cgroup = \"CGROUP/{name}\" }}\nper = \"{per}\"\nhalf_open = 1\n"
        )
    };
    let host = Host::new(CREDIT, &[rule("users", "user"), rule("processes", "process")].concat());
    let (users, processes) =
        (host.lab.cgroup().child("users").unwrap(), host.lab.cgroup().child("processes").unwrap());
    let to = host.draw(HostKind::Dead, 1, 22)[0];
    let to = json!([to.ip().to_string(), to.port()]);
    let mut program = scanner(&host, &users);
    for _ in 0..2 {
        program.tell(&json!({ "users": 2, "first": 4711, "dial": to }));
        program.hear(PATIENCE);
    }
    let mut other = scanner(&host, &processes);
    for _ in 0..2 {
        other.tell(&json!({ "dial": to }));
        other.hear(PATIENCE);
    }
    let by_process = format!("processes[pid {}]", other.pid());
    for (whom, name) in [
        ("users[user 4711]", "users[user 4711]"),
        ("users[user 4712]", "users[user 4712]"),
        (&by_process, &format!("processes[pid {} python3]", other.pid())),
    ] {
        let account = host.inspect(whom)["accounts"][0].clone();
        assert_eq!((&account["status"]["name"], &account["live"]), (&name.into(), &2.into()), "{account}");
        let runs = &account["programs"][0];
        assert!(runs["command_line"].as_str().unwrap().contains("accounts.py"), "{account}");
    }
    let of_users = &host.inspect("users[user 4711]")["accounts"][0]["programs"][0];
    assert_eq!(of_users["user"], "4711");
    // One user is blocked, the other one is not.
    ask_well(&host.limiter, &["block", "users[user 4711]", "--for", "1h"]);
    let refused = |user: u32| {
        let name = format!("users[user {user}]");
        host.inspect(&name)["accounts"][0]["status"]["blocked_until"].is_string()
    };
    assert!(refused(4711) && !refused(4712));
    assert_eq!(ask_well(&host.limiter, &["release", "users[user 4711]"]), "released users[user 4711]");
}

#[test]
fn ports_that_are_too_many_to_list_are_counted() {
    require_lab!();
    let host = Host::new(CREDIT, "");
    let cgroup = host.lab.cgroup().child("scan").unwrap();
    let mut program = scanner(&host, &cgroup);
    let dead = host.draw(HostKind::Dead, 60, 0);
    let to: Vec<SocketAddr> = dead.iter().zip(1000..).map(|(to, port)| (to.ip(), port).into()).collect();
    dial(&mut program, &to);
    let name = account(&host, "scan");
    // Those that went out at once may not be known.
    let account = until("the waiters", PATIENCE, || {
        let account = host.inspect(&name)["accounts"][0].clone();
        (account["more_ports"].as_u64() >= Some(60 - 16 - CREDIT as u64)).then_some(account)
    });
    let (more, listed) =
        (account["more_ports"].as_u64().unwrap(), account["ports"].as_array().unwrap().len());
    assert!(listed == 16 && more <= 60 - 16, "{account}");
    assert!(account["waited_on_more_ports"].as_u64() >= Some(60 - 16 - CREDIT as u64), "{account}");
    let text = ask_well(&host.limiter, &["inspect", &name]);
    let line =
        text.lines().find(|line| line.ends_with(" had to wait so far") && line.contains(" more ports: "));
    assert!(line.is_some_and(|line| line.starts_with("    and ")), "{text}");
}
