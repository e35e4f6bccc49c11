//! The dashboard that is shipped for Grafana: whole, and of metrics that there are. The test of the metrics has Prometheus
//! evaluate each of its queries.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use halfopen::metrics::{FAMILIES, FamilyKind};
use serde_json::Value;
use std::collections::BTreeSet;

const DASHBOARD: &str = include_str!("../../../packaging/grafana/halfopen.json");
/// Grafana's grid.
const COLUMNS: u64 = 24;
/// What Grafana puts in itself.
const BUILT_IN: [&str; 1] = ["__rate_interval"];

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// The columns and rows that a panel takes.
fn cells(panel: &Value) -> impl Iterator<Item = (u64, u64)> {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
    assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{panel}");
    (x..x + w).flat_map(move |column| (y..y + h).map(move |row| (column, row)))
}

#[test]
fn panels_have_numbers_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(cells(panel).all(|cell| taken.insert(cell)), "it overlaps another: {panel}");
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<&str> =
            targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(letters.len(), targets.len(), "{panel}");
    }
}

/// The samples that a metric has.
fn samples() -> BTreeSet<String> {
    let of = |family: &halfopen::metrics::Family| match family.kind {
        FamilyKind::Histogram => {
            ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", family.name)).to_vec()
        }
        FamilyKind::Counter | FamilyKind::Gauge => vec![family.sample_name()],
    };
    FAMILIES.iter().flat_map(of).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[test]
fn it_asks_for_metrics_that_there_are() {
    let (dashboard, samples) = (dashboard(), samples());
    let mut asked = BTreeSet::new();
    for target in panels(&dashboard).iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let query = target["expr"].as_str().unwrap();
        let names: Vec<&str> = words(query).filter(|word| word.starts_with("halfopen_")).collect();
        assert!(!names.is_empty() && names.iter().all(|name| samples.contains(*name)), "{query}");
        asked.extend(names);
    }
    assert!(asked.contains("halfopen_would_wait_seconds_bucket"), "what audit mode learns is shown");
}

#[test]
fn each_variable_that_it_uses_is_its_own() {
    let dashboard = dashboard();
    let own = dashboard["templating"]["list"].as_array().unwrap();
    let own: Vec<&str> =
        own.iter().map(|variable| variable["name"].as_str().unwrap()).chain(BUILT_IN).collect();
    let text = serde_json::to_string(&dashboard).unwrap();
    let used = text.split('$').skip(1).filter_map(|rest| words(rest.trim_start_matches('{')).next());
    let used: BTreeSet<&str> = used.filter(|name| !name.is_empty()).collect();
    assert!(used.len() >= 3 && used.iter().all(|name| own.contains(name)), "{used:?}, {own:?}");
}
