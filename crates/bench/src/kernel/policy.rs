//! What criterion has found of the policy's own benches, for the one table: `cargo bench -p halfopen-policy` comes first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use testkit::Spread;

use crate::kernel::report::Row;
use crate::results;

pub fn measured() -> Result<Vec<Row>> {
    let directory = results::target()?.join("criterion");
    let entries = fs::read_dir(&directory).with_context(|| {
        format!("reading {}: run `cargo bench -p halfopen-policy` first", directory.display())
    })?;
    let mut benches: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("new")).collect();
    benches.retain(|bench| bench.join("estimates.json").is_file());
    benches.sort();
    ensure!(
        !benches.is_empty(),
        "{} holds no result: run `cargo bench -p halfopen-policy` first",
        directory.display()
    );
    benches.iter().map(|bench| row(bench)).collect()
}

fn row(bench: &Path) -> Result<Row> {
    let name =
        json(&bench.join("benchmark.json"))?["full_id"].as_str().context("the bench has no name")?.to_owned();
    let median = json(&bench.join("estimates.json"))?["median"]["point_estimate"].as_f64();
    Ok(Row {
        what: format!("policy crate: {name}"),
        aim: None,
        value: Spread::of([median.context("the bench has no median")?]),
        unit: " ns",
        decimals: 0,
        note: String::new(),
    })
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}
