//! A reading in the formats that Prometheus reads.

use super::families::{FAMILIES, FamilyKind, Number};
use super::labels::Escaped;
use super::reading::Reading;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::fmt::Error;

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, in version 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The one that a client with this `Accept` asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// The type of its content.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes a reading.
    ///
    /// # Errors
    /// None for a string, although the library cannot know that.
    pub fn write(self, reading: Reading) -> Result<String, Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(reading));
        let mut written = String::new();
        text::encode(&mut written, &registry)?;
        Ok(match self {
            Self::Text => as_text(&written),
            Self::OpenMetrics => written,
        })
    }
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for family in FAMILIES {
            let mut metric =
                encoder.encode_descriptor(family.name, &family.help(), None, family.kind.as_type())?;
            let mut outcome = Ok(());
            (family.samples)(self, &mut |labels, number| {
                let labels = Escaped(labels);
                let outcome_of_it =
                    metric.encode_family(&labels).and_then(|metric| written(metric, family.kind, number));
                if outcome.is_ok() {
                    outcome = outcome_of_it;
                }
            });
            outcome?;
        }
        Ok(())
    }
}

fn written(mut metric: MetricEncoder<'_>, kind: FamilyKind, number: Number<'_>) -> Result<(), Error> {
    match (kind, number) {
        (FamilyKind::Counter, Number::Whole(count)) => ConstCounter::new(count).encode(metric),
        (FamilyKind::Counter, Number::Seconds(count)) => ConstCounter::new(count).encode(metric),
        // The library has no whole gauge of this size; a count of attempts fits.
        (FamilyKind::Gauge, Number::Whole(now)) => {
            ConstGauge::new(i64::try_from(now).unwrap_or(i64::MAX)).encode(metric)
        }
        (FamilyKind::Gauge, Number::Seconds(now)) => ConstGauge::new(now).encode(metric),
        (FamilyKind::Histogram, Number::Durations(durations)) => {
            // The library writes the largest number as the bound +Inf.
            let buckets: Vec<_> =
                durations.buckets().map(|(bound, count)| (bound.min(f64::MAX), count)).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(durations.sum.as_secs_f64(), count, &buckets, None)
        }
        _ => Err(Error),
    }
}

/// `OpenMetrics` in the older format: there the name of a counter has `_total`, and the text has no end.
fn as_text(written: &str) -> String {
    let counters: HashMap<&str, String> = FAMILIES
        .iter()
        .filter(|family| family.kind == FamilyKind::Counter)
        .map(|family| (family.name, family.sample_name()))
        .collect();
    let mut text = String::with_capacity(written.len());
    for line in written.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        let described = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                counters.get(name).map(|name| format!("# {what} {name} {rest}"))
            }
            _ => None,
        };
        text.push_str(described.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Account;
    use crate::metrics::reading::{Counts, Now};
    use crate::runs_in::RunsIn;

    fn reading(name: &str) -> Reading {
        let now = Now { waiting: u64::from(u32::MAX) + 1, ..Now::default() };
        let account = Account {
            scope: "each".into(),
            name: name.into(),
            runs_in: RunsIn::of_path("/a.service"),
            counts: Counts::default(),
            now,
        };
        Reading { accounts: vec![account], mode: "audit", ..Reading::default() }
    }

    #[test]
    fn a_hostile_name_cannot_end_its_label() {
        let written = Format::Text.write(reading("a\"} 1\n\\x")).unwrap();
        let line = "halfopen_waiting{scope=\"each\",account=\"a\\\"} 1\\n\\\\x\"} 4294967296\n";
        assert!(written.contains(line), "{written}");
    }

    #[test]
    fn every_family_has_its_help_its_type_and_its_labels() {
        let written = Format::Text.write(reading("a")).unwrap();
        for family in FAMILIES {
            let name = family.sample_name();
            assert!(written.contains(&format!("# HELP {name} {}\n", family.help())), "{written}");
            assert!(written.contains(&format!("# TYPE {name} {}\n", family.kind.word())), "{written}");
            let samples = written.lines().filter_map(|line| line.strip_prefix(&name)?.strip_prefix('{'));
            for sample in samples {
                let labels: Vec<&str> = sample
                    .split(',')
                    .filter_map(|label| label.split_once('='))
                    .map(|(name, _)| name)
                    .collect();
                assert_eq!(labels, family.labels, "{sample}");
            }
        }
    }
}
