//! A program that a user runs, and what came of it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use testkit::{Cgroup, Lab, Ran};

/// One of those compared.
pub struct Program {
    /// What to ask for it by.
    pub name: &'static str,
    /// What it is asked for, for the table.
    pub asked: &'static str,
    /// What is counted of that.
    pub unit: &'static str,
    /// Whether a WAN is between it and its peers; else a wire, which has Ethernet frames.
    pub wan: bool,
    /// Makes what it talks to, in a lab that has nothing yet.
    pub prepare: for<'a> fn(&'a Lab) -> Result<Task<'a>>,
}

/// What is left to do once all that the program talks to is there.
pub struct Task<'a> {
    /// Runs the program in this cgroup.
    pub go: Box<Go<'a>>,
    /// Whom it is to call.
    pub targets: Vec<IpAddr>,
}

type Go<'a> = dyn FnOnce(&Cgroup) -> Result<Outcome> + Send + 'a;

/// What the user sees.
pub struct Outcome {
    /// How long it took.
    pub time: Duration,
    /// Whether it was done before its time was over.
    pub in_time: bool,
    /// How much came of what was asked.
    pub got: usize,
    /// How much was asked.
    pub of: usize,
    /// Its error messages, without numbers that differ from run to run.
    pub errors: Vec<String>,
}

impl Outcome {
    /// Of a program that was run; `error` picks the lines of its output that are error messages.
    pub fn of_run(ran: &Ran, got: usize, of: usize, error: impl Fn(&str) -> bool) -> Self {
        let lines = ran.stderr.lines().chain(ran.stdout.lines());
        let mut errors: Vec<_> = lines.filter(|line| error(line)).map(without_places).collect();
        errors.sort();
        errors.dedup();
        Self { time: ran.wall, in_time: ran.status.is_some(), got, of, errors }
    }
}

/// A message without names and numbers of this run.
pub fn without_places(line: &str) -> String {
    const LONGEST: usize = 130;
    let words = line.split_whitespace().map(|word| {
        let place = ["198.1", "site-", "/tmp/"].iter().any(|part| word.contains(part));
        let number = word.chars().any(|letter| letter.is_ascii_digit());
        if place || number { "…" } else { word }
    });
    let mut words: Vec<_> = words.collect();
    words.dedup();
    words.join(" ").chars().take(LONGEST).collect::<String>().replace('|', "/")
}
