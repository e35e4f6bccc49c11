//! The changes that no test can notice, and why.

use super::mutants::Mutant;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs;

/// Where they are written down.
pub const EXPLAINED: &str = "crates/halfopen-policy/mutants.toml";

/// One or more changes of one line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    pub file: String,
    /// The function or macro.
    pub within: String,
    /// The line or lines as they are, blanks as one; without them, all of the function.
    pub was: Option<String>,
    /// The line above, where several lines are the same.
    after: Option<String>,
    /// What survives; without it, every change of this line.
    becomes: Option<Vec<String>>,
    /// Why no test can notice it.
    #[serde(rename = "because")]
    _because: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    survivor: Vec<Explanation>,
}

impl Explanation {
    /// All that are written down.
    pub fn all() -> Result<Vec<Self>> {
        let text = fs::read_to_string(EXPLAINED).with_context(|| format!("reading {EXPLAINED}"))?;
        let file: File = toml::from_str(&text).with_context(|| format!("reading {EXPLAINED}"))?;
        Ok(file.survivor)
    }

    /// Whether it is about this change.
    pub fn explains(&self, mutant: &Mutant) -> bool {
        self.file == mutant.file
            && self.within == mutant.within
            && self.was.as_ref().is_none_or(|was| *was == mutant.was)
            && self.after.as_ref().is_none_or(|after| *after == mutant.above)
            && self.becomes.as_ref().is_none_or(|becomes| becomes.contains(&mutant.becomes))
    }
}
