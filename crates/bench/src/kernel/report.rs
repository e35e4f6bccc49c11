//! The table: printed as Markdown, each measurement's numbers also as JSON.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{Machine, Spread};

use crate::results;

/// What a number should be.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// Under this.
    Below(f64),
    /// Over this.
    Above(f64),
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What it should be; some numbers only explain others.
    pub aim: Option<Aim>,
    /// What it was. The median is held against the aim.
    pub value: Spread,
    /// Its unit, with a leading space where one belongs there.
    pub unit: &'static str,
    /// How many decimals mean something.
    pub decimals: usize,
    /// What else is worth knowing.
    pub note: String,
}

impl Row {
    /// Whether the aim is met; `None` where there is none.
    fn met(&self) -> Option<bool> {
        let median = self.value.median();
        self.aim.map(|aim| match aim {
            Aim::Below(most) => median < most,
            Aim::Above(least) => median > least,
        })
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            None => "",
            Some(true) => "ok",
            Some(false) => "missed",
        }
    }

    fn markdown(&self) -> String {
        let Self { what, value, unit, decimals, note, .. } = self;
        let aim = match self.aim {
            None => String::new(),
            Some(Aim::Below(most)) => format!("< {most}{unit}"),
            Some(Aim::Above(least)) => format!("> {least}{unit}"),
        };
        let range = if value.count() > 1 {
            format!("{:.decimals$} to {:.decimals$}", value.least(), value.most())
        } else {
            String::new()
        };
        let median = value.median();
        format!("| {what} | {aim} | {median:.decimals$}{unit} | {range} | {} | {note} |", self.verdict())
    }

    fn to_json(&self) -> Value {
        let (below, above) = match self.aim {
            None => (None, None),
            Some(Aim::Below(most)) => (Some(most), None),
            Some(Aim::Above(least)) => (None, Some(least)),
        };
        json!({
            "what": self.what, "unit": self.unit.trim(), "aim": { "below": below, "above": above },
            "value": self.value.to_json(), "verdict": self.verdict(), "note": self.note,
        })
    }
}

const HEAD: &str = "| what | aim | median | range | | |\n| --- | --- | --- | --- | --- | --- |";

/// All rows of one run.
#[derive(Debug)]
pub struct Report {
    machine: Machine,
    directory: PathBuf,
    lines: Vec<String>,
    failures: usize,
}

impl Report {
    pub fn begin(machine: Machine) -> Result<Self> {
        Ok(Self { machine, directory: results::directory()?, lines: Vec::new(), failures: 0 })
    }

    /// Prints the rows of one measurement and writes `<name>.json`.
    pub fn add(&mut self, name: &str, rows: &[Row]) -> Result<()> {
        for row in rows {
            let line = row.markdown();
            println!("{line}");
            self.lines.push(line);
        }
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        let numbers = json!({ "name": name, "machine": self.machine.to_json(), "rows": rows });
        self.write(&format!("{name}.json"), &format!("{numbers:#}\n"))
    }

    /// A measurement that could not be made.
    pub fn failed(&mut self, name: &str, error: &anyhow::Error) {
        eprintln!("{name}: {error:#}");
        self.lines.push(format!("| {name} | | not measured | | failed | {error:#} |").replace('\n', " "));
        self.failures += 1;
    }

    /// Prints the whole table and writes it to `summary.md`.
    pub fn finish(self) -> Result<ExitCode> {
        let mut table = format!("{}\n\n{HEAD}\n", self.machine.line());
        for line in &self.lines {
            writeln!(table, "{line}")?;
        }
        println!("\n{table}");
        self.write("summary.md", &table)?;
        Ok(if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}
