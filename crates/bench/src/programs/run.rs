//! One program under one condition, in a lab of its own.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Kind, Lab, Limiter, Side, WORLD_V4, Wan};

use crate::programs::condition::{Condition, Scan};
use crate::programs::program::{Outcome, Program, Task};
use crate::programs::said::Said;

/// One way.
const DELAY: Duration = Duration::from_millis(10);

/// What came of it.
pub struct Run {
    pub program: &'static str,
    pub condition: Condition,
    pub outcome: Outcome,
    /// How many of those whom the program is to call had a SYN of it, of how many.
    pub called: (usize, usize),
    /// How many addresses the scanner reached, where there was one.
    pub scanned: Option<usize>,
    /// What halfopen says, where it ran.
    pub said: Option<Said>,
}

pub fn carry_out(program: &Program, condition: Condition) -> Result<Run> {
    let mut builder = Lab::builder();
    if program.wan {
        builder = builder.wan(Wan { delay: DELAY, loss: 0.0 });
    }
    let lab = builder.build()?;
    let Task { go, targets } = (program.prepare)(&lab).context("making what it talks to")?;
    // The lab has a name server of its own; which one the host has is nothing to it.
    let limiter = Limiter::builder(&lab).set("preset", "adaptive").set("resolvers", WORLD_V4);
    let limiter = condition.limited.then(|| limiter.start()).transpose()?;
    let cgroup = lab.cgroup().child("program")?;
    let mut capture = lab.capture(Side::Client)?;
    let scan = Scan::start(&lab, condition, &cgroup)?;
    let outcome = go(&cgroup)?;
    let said = limiter.as_ref().map(Said::ask).transpose()?;
    let scanned = scan.map(Scan::end);
    // Until all that left has been recorded.
    capture.segments()?;
    let captured = capture.finish()?;
    ensure!(captured.lost == 0, "{} packets are missing in the recording", captured.lost);
    if let Some(limiter) = limiter {
        limiter.stop()?;
    }
    let syns = captured.segments.iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    let reached: HashSet<IpAddr> = syns.map(|syn| syn.to.ip()).collect();
    let among = |addresses: &[IpAddr]| addresses.iter().filter(|address| reached.contains(address)).count();
    Ok(Run {
        program: program.name,
        condition,
        outcome,
        called: (among(&targets), targets.len()),
        scanned: scanned.map(|dead| among(&dead)),
        said,
    })
}

impl Run {
    /// For those who wait for the rest.
    pub fn line(&self) -> String {
        let Outcome { time, got, of, errors, .. } = &self.outcome;
        let held = self.said.as_ref().map_or(String::new(), |said| format!("; {}", said.shown()));
        let errors = if errors.is_empty() { String::new() } else { format!("; {}", errors.join(" / ")) };
        format!(
            "{}, {}: {:.2} s, {got} of {of}, called {}; scanned {:?}{held}{errors}",
            self.program,
            self.condition.shown(),
            time.as_secs_f64(),
            self.called.0,
            self.scanned
        )
    }

    pub fn to_json(&self) -> Value {
        let Outcome { time, in_time, got, of, errors } = &self.outcome;
        json!({
            "program": self.program, "condition": self.condition.shown(), "time_s": time.as_secs_f64(),
            "in_time": in_time, "got": got, "of": of, "errors": errors, "called": self.called.0,
            "to_call": self.called.1, "scanned": self.scanned,
            "halfopen": self.said.as_ref().map(Said::to_json),
        })
    }
}
