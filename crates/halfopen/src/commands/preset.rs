//! `preset`: starting points for a configuration. Works without a daemon or a configuration.

use crate::config::{Preset, Words};
use crate::output;
use anyhow::Result;

/// What a printed preset says about the keys that it leaves to other files.
const NOT_OF_A_PRESET: &str = "#
# A preset says nothing about these two. Save it in conf.d, so that the other files still do. In place of halfopen.toml
# it would leave them at their defaults: a host that counts (audit) would enforce from the next reload on.
# mode = \"audit\"
# persist = true
";

pub fn preset(named: Option<Preset>) -> Result<()> {
    if let Some(preset) = named {
        let (about, rest) = preset.text().split_once('\n').unwrap_or((preset.text(), ""));
        return output::line(format!("{about}\n{NOT_OF_A_PRESET}{rest}").trim_end());
    }
    let lines = Preset::WORDS.iter().map(|(name, preset)| format!("{name:<16}{}", preset.about()));
    output::line(&lines.collect::<Vec<_>>().join("\n"))
}
