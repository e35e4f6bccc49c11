//! What halfopen says of a run.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::Limiter;

/// The scanner's name for itself.
const SCANNER: &str = "lab-dial";
/// What halfopen calls a refused raw packet.
const RAW: &str = "raw_tcp_refused";

/// Its numbers of the program, the scanner left out, and its events.
pub struct Said {
    /// The program's attempts that began to wait.
    pub held: u64,
    /// Of those, how many were never let out: ended by their program or by the kernel, or waiting still.
    pub in_vain: u64,
    /// The longest of their waits that have ended.
    pub longest_wait_ms: u64,
    /// `connect()`s refused.
    pub refused: u64,
    /// Raw TCP packets refused.
    pub raw_refused: u64,
    /// Each kind of event once, with whom it names, and what could not be done as intended.
    pub events: Vec<String>,
    status: Value,
}

impl Said {
    /// Asks for status and events.
    pub fn ask(limiter: &Limiter) -> Result<Self> {
        let status = lines(limiter, "status")?.pop().context("an empty status")?;
        let own = || list(&status, "programs").iter().filter(|program| program["comm"] != SCANNER);
        let sum = |name: &str| own().filter_map(|program| program[name].as_u64()).sum::<u64>();
        let longest = own().filter_map(|program| program["longest_wait_ms"].as_u64()).max();
        let events = lines(limiter, "events")?;
        let mut events: Vec<_> =
            events.iter().filter(|event| event["state"] != "cleared").map(event).collect();
        let mut raw_refused = 0;
        for fault in list(&status, "faults") {
            let (name, count) = (&fault["fault"], fault["count"].as_u64().unwrap_or_default());
            match name.as_str() {
                Some(RAW) => raw_refused = count,
                Some(name) if count > 0 => events.push(format!("fault {name}")),
                _ => {}
            }
        }
        events.sort();
        events.dedup();
        Ok(Self {
            held: sum("held"),
            in_vain: sum("held").saturating_sub(sum("released")),
            longest_wait_ms: longest.unwrap_or_default(),
            refused: sum("refused_overflow"),
            raw_refused,
            events,
            status,
        })
    }

    /// For those who wait for the rest.
    pub fn shown(&self) -> String {
        format!(
            "held {} ({} in vain, longest {} ms), refused {}, raw {}, {}",
            self.held,
            self.in_vain,
            self.longest_wait_ms,
            self.refused,
            self.raw_refused,
            self.events.join("; ")
        )
    }

    pub fn to_json(&self) -> Value {
        json!({
            "held": self.held, "in_vain": self.in_vain, "longest_wait_ms": self.longest_wait_ms,
            "refused": self.refused, "raw_refused": self.raw_refused, "events": self.events, "status": self.status,
        })
    }
}

/// What a command says, a value a line.
fn lines(limiter: &Limiter, command: &str) -> Result<Vec<Value>> {
    let output = limiter.command().args([command, "--json"]).output();
    let output = output.with_context(|| format!("running halfopen {command}"))?;
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    values.collect::<Result<_, _>>().with_context(|| format!("reading what halfopen {command} says"))
}

fn list<'a>(status: &'a Value, name: &str) -> &'a [Value] {
    status[name].as_array().map_or(&[], Vec::as_slice)
}

/// Its number and whom it names.
fn event(event: &Value) -> String {
    let mut names: Vec<_> = (list(event, "programs").iter())
        .filter_map(|program| program["comm"].as_str())
        .map(|name| if name == SCANNER { "the scanner" } else { name })
        .collect();
    names.sort_unstable();
    names.dedup();
    format!("{} of {}", event["id"], names.join(", "))
}
