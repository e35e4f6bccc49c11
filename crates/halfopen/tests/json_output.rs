//! What the program prints as JSON is what its types, and so docs/reference/json.md, say.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::commands::{Checked, Report, Set};
use halfopen::control::{Inspection, Status, Why};
use halfopen::events::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use testkit::desk::{PATIENCE, ask_well, limit, until};
use testkit::{Dialer, Family, HostKind, Lab, Mix, require_lab, rig};

const PAGE: &str = include_str!("../../../docs/reference/json.md");

/// Everything that prints has something to say with these.
const CONFIGURATION: &str = "names = \"host\"\nresolvers = [\"127.0.0.53\"]\nevent_after = \"0s\"\n\
    [host]\nudp_first_contacts = \"1/3600s\"\n\
    [[scope]]\nname = \"each\"\nmatch = { user = 0 }\nper = \"user\"\nhalf_open = 2\nfirst_contacts = 30\n\
    [[deny]]\nname = \"denied\"\nto = [\"DENIED\"]\n";

/// Sends to two new addresses by UDP, and connects to one.
const PROGRAM: &str = "import socket, sys\n\
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    for to in sys.argv[1:3]:\n\
    \ttry: udp.sendto(b'x', (to, 4500))\n\
    \texcept OSError: pass\n\
    socket.socket().connect_ex((sys.argv[3], 80))\n";

/// Reads `text` as a `T` and writes it again: nothing may be missing, added or otherwise. Returns it.
fn is_exactly<T: Serialize + DeserializeOwned>(text: &str) -> Value {
    let printed: Value = serde_json::from_str(text).unwrap();
    let typed: T = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(serde_json::to_value(typed).unwrap(), printed);
    printed
}

fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            into.extend(object.keys().cloned());
            object.values().for_each(|value| fields(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, into)),
        _ => {}
    }
}

#[test]
fn what_is_printed_is_what_the_types_and_the_reference_say() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("halfopen.toml");
    let live = || rig::host(&lab, HostKind::Live, Family::V4).ip().to_string();
    let denied = live();
    fs::write(&config, CONFIGURATION.replace("DENIED", &denied)).unwrap();
    let limiter = limit(&lab, 5).set("mode", "audit").config(&config).start().unwrap();
    let file = config.to_str().unwrap();
    ask_well(&limiter, &["enforce", "--for", "10m"]);

    let dead = lab.draw(&Mix { dead: 40, ..Mix::default() }).unwrap().destinations();
    let to = dead[0].ip().to_string();
    let dialling = Dialer::new(&lab).destinations(dead).spawn().unwrap();
    dialling.await_all_dialled(PATIENCE).unwrap();
    let mut program = lab.client().command_in(lab.cgroup(), "python3");
    program.args(["-c", PROGRAM, &live(), &live(), &denied]);
    assert!(program.status().unwrap().success());

    let mut printed = Vec::new();
    let kinds = ["denied", "reached", "udp_stopped"];
    let lines = until("an event of each of these kinds", PATIENCE, || {
        let lines = ask_well(&limiter, &["events", "--json"]);
        kinds.iter().all(|kind| lines.contains(&format!("\"state\":\"{kind}\""))).then_some(lines)
    });
    printed.extend(lines.lines().map(is_exactly::<Event>));
    let status = is_exactly::<Status>(&ask_well(&limiter, &["status", "--json"]));
    for place in
        ["/deny/0/last", "/trial/reverts_at", "/names/trust", "/host/udp/last/time", "/programs/0/user"]
    {
        assert!(status.pointer(place).is_some_and(|value| !value.is_null()), "{place}: {status}");
    }
    printed.push(status);
    printed.push(is_exactly::<Report>(&ask_well(&limiter, &["report", "--json"])));
    for subject in [dialling.pid().to_string(), to] {
        let why = is_exactly::<Why>(&ask_well(&limiter, &["why", &subject, "--json"]));
        assert!(why["attempts"][0]["state"].is_string(), "{why}");
        printed.push(why);
        let inspection = is_exactly::<Inspection>(&ask_well(&limiter, &["inspect", &subject, "--json"]));
        assert!(inspection["accounts"][0]["programs"][0]["parent"]["pid"].is_u64(), "{inspection}");
        printed.push(inspection);
    }
    printed.push(is_exactly::<Checked>(&ask_well(&limiter, &["check", "--json", "--config", file])));
    for (save, changed) in [(true, true), (true, false), (false, false)] {
        let save: &[&str] = if save { &["--save"] } else { &[] };
        let words = [&["set", "--json"], save, &["scope.each.half_open", "7"]].concat();
        let set = is_exactly::<Set>(&ask_well(&limiter, &words));
        assert_eq!((&set["changed"], &set["now"]), (&changed.into(), &"7".into()), "{set}");
        assert_eq!(set["saved_to"].is_string(), !save.is_empty(), "{set}");
        printed.push(set);
    }

    let mut named = BTreeSet::new();
    for value in &printed {
        fields(value, &mut named);
    }
    let missing: Vec<_> = named.iter().filter(|name| !PAGE.contains(&format!("\n| `{name}` | "))).collect();
    assert!(missing.is_empty() && named.len() > 90, "{} fields; not in json.md: {missing:?}", named.len());
}
