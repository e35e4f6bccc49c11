//! Scenarios: who is vulnerable to what, and which hosts are limited how.

mod built_in;
mod error;
mod number;
mod population;
mod worm;

pub use built_in::{SCENARIOS, about_all};
pub use error::{Place, ScenarioError};
pub use number::{Count, PerSecond, Share, Span};
pub use population::{Layout, Population, Program, Response, SpaceBits};
pub use worm::{Pace, Protocol, Reach, Targets, WORMS, Worm};

use crate::limiter::Limiter;
use error::Source;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// An outbreak, and the cases that it is run in.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name: built-in, or that of its file.
    pub name: String,
    /// For people: what it is about, one line.
    pub about: String,
    /// When it ends.
    pub until: Span,
    /// The worm.
    pub worm: Worm,
    /// The hosts.
    pub population: Population,
    /// What is done against it.
    pub response: Response,
    /// Legitimate programs on every host.
    pub programs: Vec<Program>,
    /// The first one is what others are compared with.
    pub cases: Vec<Case>,
}

/// Which hosts are limited how.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// For people.
    pub name: String,
    /// Limiters with the share of hosts that have each; the others have none. The shares sum to 1 at most.
    pub hosts: Vec<(Limiter, f64)>,
}

impl Case {
    /// No host is limited.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { name: "none".to_owned(), hosts: Vec::new() }
    }

    /// This share of hosts, 0 to 1, is limited like this.
    #[must_use]
    pub fn of(name: &str, limiter: Limiter, share: f64) -> Self {
        Self { name: show_hosts(&[(name.to_owned(), share)]), hosts: vec![(limiter, share)] }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    until: Span,
    worm: Spanned<WormRef>,
    population: Population,
    #[serde(default)]
    response: Response,
    #[serde(default)]
    programs: Vec<Spanned<String>>,
    #[serde(default, rename = "program")]
    own_programs: Vec<Program>,
    #[serde(rename = "case")]
    cases: Vec<Spanned<CaseFile>>,
}

/// A built-in worm, or a file beside the scenario's.
#[derive(Deserialize)]
struct WormRef(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    hosts: BTreeMap<String, Share>,
}

/// Finds a limiter by what a case calls it: a built-in one or a file, relative to this directory. The error says what is
/// wrong with it.
pub type FindLimiter<'a> = &'a dyn Fn(&str, &Path) -> Result<Limiter, String>;

impl Scenario {
    /// A built-in scenario, or that of a file that ends in `.toml`.
    ///
    /// # Errors
    /// The first mistake, with file and line.
    pub fn find(name: &str, limiters: FindLimiter) -> Result<Self, ScenarioError> {
        if let Some((_, text)) = SCENARIOS.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, Path::new(&format!("{name}.toml")), text, limiters);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let known = SCENARIOS.map(|(name, _)| name).join(", ");
            return Err(ScenarioError::Unknown(name.to_owned(), known));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&stem, path, &read(path)?, limiters)
    }

    /// Reads the text of a scenario, with the name of its file for messages and for files beside it.
    ///
    /// # Errors
    /// The first mistake, with file and line.
    pub fn parse(name: &str, path: &Path, text: &str, limiters: FindLimiter) -> Result<Self, ScenarioError> {
        let source = Source { file: path, text };
        let file: File = source.read()?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let worm = worm(&source, &file.worm, directory)?;
        let mut population = file.population;
        if let Layout::Prefixes(prefixes) = &mut population.layout {
            *prefixes = directory.join(&*prefixes);
        }
        let mut programs = file.own_programs;
        for name in &file.programs {
            let found = built_in::program(name.get_ref());
            programs.push(found.map_err(|what| source.mistake(name.span(), what))?);
        }
        if file.cases.is_empty() {
            return Err(source.mistake(0..0, "there is no [[case]]: add one".to_owned()));
        }
        let case = |case: &Spanned<CaseFile>| {
            read_case(case.get_ref(), directory, limiters).map_err(|what| source.mistake(case.span(), what))
        };
        Ok(Self {
            name: name.to_owned(),
            about: file.about,
            until: file.until,
            worm,
            population,
            response: file.response,
            programs,
            cases: file.cases.iter().map(case).collect::<Result<_, _>>()?,
        })
    }

    /// A built-in scenario with the built-in limiters.
    ///
    /// # Errors
    /// As [`Scenario::find`].
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        Self::find(name, &built_in_limiter)
    }
}

/// Finds a built-in limiter.
///
/// # Errors
/// Which ones there are.
pub fn built_in_limiter(name: &str, _: &Path) -> Result<Limiter, String> {
    Limiter::named(name).ok_or_else(|| {
        format!("there is no policy {name:?}: the built-in ones are {}", Limiter::NAMES.join(", "))
    })
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path)
        .map_err(|reason| ScenarioError::Unreadable { file: PathBuf::from(path), reason })
}

fn worm(source: &Source, of: &Spanned<WormRef>, directory: &Path) -> Result<Worm, ScenarioError> {
    let name = &of.get_ref().0;
    let (path, text) = match Worm::named(name) {
        Some(text) => (PathBuf::from(format!("{name}.toml")), text.to_owned()),
        None if Path::new(name).extension().is_some_and(|extension| extension == "toml") => {
            let path = directory.join(name);
            let text = read(&path)?;
            (path, text)
        }
        None => {
            let known = WORMS.map(|(name, _)| name).join(", ");
            let what =
                format!("there is no worm {name:?}: name a file that ends in .toml, or one of {known}");
            return Err(source.mistake(of.span(), what));
        }
    };
    let source = Source { file: &path, text: &text };
    let worm: Worm = source.read()?;
    match worm.targets.mistake() {
        Some(what) => Err(source.mistake(text.find("targets").unwrap_or_default()..0, what)),
        None => Ok(worm),
    }
}

fn read_case(case: &CaseFile, directory: &Path, limiters: FindLimiter) -> Result<Case, String> {
    let shares: Vec<_> = case.hosts.iter().map(|(name, share)| (name.clone(), share.of_one())).collect();
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if sum > 1.0 + 1e-9 {
        return Err(format!("the shares of hosts sum to {sum}, which is more than 1: lower one of them"));
    }
    let mut hosts = Vec::new();
    for (name, share) in &shares {
        hosts.push((limiters(name, directory)?, *share));
    }
    hosts.retain(|(limiter, _)| limiter.mode == halfopen_policy::Mode::Enforce);
    Ok(Case { name: show_hosts(&shares), hosts })
}

fn show_hosts(shares: &[(String, f64)]) -> String {
    let some = shares.iter().filter(|(name, share)| *share > 0.0 && name != "none");
    let shown: Vec<_> = some
        .map(|(name, share)| {
            if (share - 1.0).abs() < 1e-9 {
                return name.clone();
            }
            format!("{}% {name}", (share * 10_000.0).round() / 100.0)
        })
        .collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(" + ") }
}
