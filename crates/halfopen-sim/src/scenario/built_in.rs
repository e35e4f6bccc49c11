//! Scenarios and programs that are part of this crate.

use super::Program;
use serde::Deserialize;

macro_rules! scenarios {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// The built-in scenarios: name and file.
pub const SCENARIOS: [(&str, &str); 11] = scenarios!(
    "sasser",
    "blaster",
    "code-red-v2",
    "nimda",
    "slammer",
    "ssh-bot",
    "hit-list",
    "mail-relayer",
    "beside-sasser",
    "lan",
    "nimda-trial"
);

const PROGRAMS: &str = include_str!("../../worms/programs.toml");

/// Each built-in scenario with what it is about.
pub fn about_all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SCENARIOS.into_iter().map(|(name, text)| {
        let about = text.lines().find_map(|line| line.strip_prefix("about = \"")?.strip_suffix('"'));
        (name, about.unwrap_or_default())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    program: Vec<Program>,
}

/// The built-in program of this name. The error says which ones there are.
pub(super) fn program(name: &str) -> Result<Program, String> {
    let Programs { program: all } = toml::from_str(PROGRAMS).map_err(|e| format!("programs.toml: {e}"))?;
    let known = all.iter().map(|program| program.name.as_str()).collect::<Vec<_>>().join(", ");
    all.into_iter()
        .find(|program| program.name == name)
        .ok_or_else(|| format!("there is no program {name:?}: the built-in ones are {known}"))
}
