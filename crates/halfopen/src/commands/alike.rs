//! Attempts for people: a line for each, or one for many that differ in nothing but where they go.

use crate::control::AttemptStatus;
use crate::control::status::seconds;
use crate::events::text::plain;
use std::collections::{BTreeMap, BTreeSet};

/// A line for each kind, in the order of the oldest of each.
pub fn lines(attempts: &[AttemptStatus]) -> Vec<String> {
    let mut places = BTreeMap::new();
    let mut kinds: Vec<Vec<&AttemptStatus>> = Vec::new();
    for attempt in attempts {
        let AttemptStatus { comm, state, scope, named, waits_for, .. } = attempt;
        let is_out = attempt.out_for_ms.is_some();
        let at =
            *places.entry((comm, state.to_string(), is_out, scope, named, waits_for)).or_insert_with(|| {
                kinds.push(Vec::new());
                kinds.len() - 1
            });
        kinds[at].push(attempt);
    }
    kinds.iter().map(|alike| line(alike)).collect()
}

fn line(alike: &[&AttemptStatus]) -> String {
    let [first, _, ..] = alike else { return alike.iter().map(ToString::to_string).collect() };
    let processes: BTreeSet<u32> = alike.iter().map(|attempt| attempt.pid).collect();
    let others = match processes.len() - 1 {
        0 => String::new(),
        1 => " and one other process".to_owned(),
        more => format!(" and {more} other processes"),
    };
    let named = if first.named { " (named)" } else { "" };
    let times = match first.out_for_ms {
        Some(_) => {
            format!(", unanswered for {}", from_to(alike.iter().filter_map(|attempt| attempt.out_for_ms)))
        }
        None => format!(
            " for {}, asked {} times at most",
            from_to(alike.iter().map(|attempt| attempt.age_ms)),
            alike.iter().map(|attempt| attempt.rechecks).max().unwrap_or_default()
        ),
    };
    let scope = first.also_in();
    let waits_for =
        first.waits_for.as_ref().map(|why| format!("; waits for {}", plain(why))).unwrap_or_default();
    format!(
        "{} (pid {}{others}): {} attempts{}, such as {}{named}: {}{times}{scope}{waits_for}",
        plain(&first.comm),
        first.pid,
        alike.len(),
        where_to(alike),
        first.destination,
        first.state
    )
}

/// What all destinations have in common.
fn where_to(alike: &[&AttemptStatus]) -> String {
    let destinations = alike.iter().map(|attempt| attempt.destination.rsplit_once(':').unwrap_or_default());
    let (hosts, ports): (BTreeSet<&str>, BTreeSet<&str>) = destinations.unzip();
    match (hosts.len(), ports.first().filter(|_| ports.len() == 1)) {
        (_, Some(port)) => format!(" to port {port}"),
        (1, None) => format!(" to {} ports of one address", ports.len()),
        (many, None) => format!(" to {many} addresses"),
    }
}

fn from_to(times: impl Iterator<Item = u64> + Clone) -> String {
    let (least, most) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
    if least == most { seconds(most) } else { format!("{} to {}", seconds(least), seconds(most)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::AttemptPhase;
    use crate::runs_in::RunsIn;

    fn attempt(pid: u32, destination: &str, age_ms: u64) -> AttemptStatus {
        AttemptStatus {
            state: AttemptPhase::Queued,
            scope: Some("each[/a]".into()),
            runs_in: RunsIn::default(),
            pid,
            comm: "nmap".into(),
            destination: destination.into(),
            named: false,
            age_ms,
            out_for_ms: None,
            rechecks: 2,
            waits_for: Some("credit".into()),
        }
    }

    #[test]
    fn one_line_for_many_and_the_usual_one_for_one() {
        let mut out = attempt(7, "[2001:db8::1]:80", 1_000);
        out.state = AttemptPhase::HalfOpen;
        out.out_for_ms = Some(900);
        let attempts = [attempt(7, "192.0.2.1:80", 1_500), out.clone(), attempt(8, "192.0.2.2:80", 500)];
        assert_eq!(
            lines(&attempts),
            [
                "nmap (pid 7 and one other process): 2 attempts to port 80, such as 192.0.2.1:80: queued for 0.500 s to \
                 1.500 s, asked 2 times at most, also in each[/a]; waits for credit",
                &out.to_string(),
            ]
        );
    }

    #[test]
    fn what_differs_in_what_it_waits_for_is_not_alike() {
        let mut other = attempt(7, "192.0.2.2:80", 500);
        other.waits_for = Some("a slot".into());
        assert_eq!(lines(&[attempt(7, "192.0.2.1:80", 500), other]).len(), 2);
        let ports = [attempt(7, "[2001:db8::1]:1", 1), attempt(7, "[2001:db8::1]:2", 1)];
        assert!(lines(&ports)[0].contains(": 2 attempts to 2 ports of one address, such as [2001"));
        let all = [attempt(7, "192.0.2.1:1", 1), attempt(7, "192.0.2.2:2", 1), attempt(7, "192.0.2.2:1", 1)];
        assert!(
            lines(&all)[0].contains(": 3 attempts to 2 addresses, such as 192.0.2.1:1: queued for 0.001 s,")
        );
    }
}
