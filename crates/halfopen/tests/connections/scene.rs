//! A configuration of a test, and a rule in it that gives each cgroup below the root an account.

use std::fs;
use tempfile::TempDir;
use testkit::{Lab, Limiter, LimiterBuilder};

/// A configuration file.
pub struct Configured(TempDir);

impl Configured {
    pub fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("halfopen.toml"), text).unwrap();
        Self(directory)
    }

    /// No limits but these for each account.
    pub fn for_each_cgroup(limits: &str) -> Self {
        let rule = "[[scope]]\nname = \"tenant\"\nper = \"cgroup\"\nmatch = { cgroup = \"/*\" }\n";
        Self::new(&format!("preset = \"none\"\n{rule}{limits}\n"))
    }

    /// A limiter in whose way it is.
    pub fn limit<'a>(&self, lab: &'a Lab) -> LimiterBuilder<'a> {
        Limiter::builder(lab).config(&self.0.path().join("halfopen.toml"))
    }
}
