//! `preset`: starting points for a configuration. Works without a daemon or a configuration.

use crate::config::{Preset, Words};
use crate::output;
use anyhow::Result;

pub fn preset(named: Option<Preset>) -> Result<()> {
    if let Some(preset) = named {
        return output::line(preset.text().trim_end());
    }
    let lines = Preset::WORDS.iter().map(|(name, preset)| format!("{name:<16}{}", preset.about()));
    output::line(&lines.collect::<Vec<_>>().join("\n"))
}
