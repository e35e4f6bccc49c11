//! Limits on connections.

use super::*;
use halfopen_policy::{ConnectRate, Connections, PerDestination};

#[allow(clippy::unnecessary_wraps, reason = "it is what a limit is written as")]
fn rate(count: u32, per: Duration, burst: Option<u32>) -> Option<ConnectRate> {
    Some(ConnectRate { rate: Rate::new(count, per).unwrap(), burst })
}

fn connections(text: &str) -> Connections {
    Host::with(&format!("[host]\n{text}\n")).load(&[]).unwrap().settings().host.connections
}

#[test]
fn each_key_limits_what_it_says() {
    let minute = Duration::from_mins(1);
    assert_eq!(connections(""), Connections::default());
    assert_eq!(connections("connect_rate = \"1000/m\"").rate, rate(1_000, minute, None));
    assert_eq!(
        connections("connect_burst = 20\nconnect_rate = \"1000/m\"").rate,
        rate(1_000, minute, Some(20)),
        "in any order"
    );
    assert_eq!(connections("connect_burst = 20").rate, None);
    let both = connections("established = 4000\ntime_wait = \"2m\"");
    assert_eq!((both.established, both.time_wait), (Some(4_000), Some(Duration::from_mins(2))));
    let host = Host::with("[host]\nestablished = 7\n");
    assert_eq!(host.load(&["established=unlimited"]).unwrap().settings().host.connections.established, None);
}

#[test]
fn a_burst_is_a_second_s_worth_unless_it_is_given() {
    let burst = |text| connections(text).rate.unwrap().burst();
    assert_eq!(burst("connect_rate = \"1000/m\""), 16);
    assert_eq!(burst("connect_rate = \"1/m\""), 1);
    assert_eq!(burst("connect_rate = \"1/m\"\nconnect_burst = 9"), 9);
    assert_eq!(burst("connect_rate = \"10/s\"\nconnect_burst = \"auto\""), 10);
}

fn of_rule(table: &str) -> Result<PerDestination, String> {
    let rule = "[[scope]]\nname = \"x\"\nmatch = { user = 7 }\n";
    let host = Host::with(&format!("{rule}per_destination = {table}\n"));
    match host.load(&[]) {
        Ok(resolved) => Ok(resolved.settings().scopes[0].limits.connections.per_destination),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_destination_has_limits_of_its_own() {
    let limits = of_rule("{ half_open = 4, connect_rate = \"60/m\", established = 100 }").unwrap();
    let expected = PerDestination {
        half_open: Some(4),
        rate: rate(60, Duration::from_mins(1), None),
        established: Some(100),
    };
    assert_eq!(limits, expected);
    assert_eq!(of_rule("\"off\""), Ok(PerDestination::default()));
    for wrong in
        ["{}", "7", "{ half_open = 0 }", "{ established = \"unlimited\" }", "{ connect_rate = \"fast\" }"]
    {
        let error = of_rule(wrong).unwrap_err();
        assert!(error.contains("halfopen.toml:4:"), "{wrong}: {error}");
    }
    let error = of_rule("{ half_opn = 4 }").unwrap_err();
    assert!(error.contains("did you mean half_open?"), "{error}");
}

#[test]
fn what_has_no_effect_is_said() {
    let remarks = |text: &str| Host::with(text).load(&[]).unwrap().remarks();
    let per = "per_destination = { established = 3 }";
    for table in ["[host]", "[[interface]]\nname = \"lo\""] {
        let said = format!("{:?}", remarks(&format!("{table}\n{per}\n")));
        assert!(said.contains("count destinations apart"), "{said}");
    }
    let said = format!("{:?}", remarks("[host]\nconnect_burst = 5\ntime_wait = \"1m\"\n"));
    assert!(said.contains("connect_rate is") && said.contains("established is"), "{said}");
}
