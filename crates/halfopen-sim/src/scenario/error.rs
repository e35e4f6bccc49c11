//! What is wrong with a scenario, and where.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// There is no built-in scenario or file of this name.
    #[error("there is no scenario {0:?}: name a file that ends in .toml, or one of {1}")]
    Unknown(String, String),
    /// The layout has no room.
    #[error(
        "{hosts} vulnerable hosts do not fit in the {addresses} addresses of the layout: lower `vulnerable`, or raise \
         `space_bits` or the layout's shares"
    )]
    TooSmall {
        /// How many there are to place.
        hosts: usize,
        /// How many places there are.
        addresses: u64,
    },
    /// The exact engine is for fewer hosts.
    #[error(
        "{hosts} vulnerable hosts are too many for the exact engine, which takes {most}: use the scaled one"
    )]
    TooManyForExact {
        /// How many there are.
        hosts: usize,
        /// How many it takes.
        most: usize,
    },
    /// A file has a mistake.
    #[error("{place}: {what}")]
    Mistake {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        what: String,
    },
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: usize,
}

impl Place {
    pub(super) fn in_text(file: &Path, text: &str, at: usize) -> Self {
        let before = text.as_bytes().iter().take(at);
        Self { file: file.to_owned(), line: before.filter(|byte| **byte == b'\n').count() + 1 }
    }

    pub(crate) fn line(file: &Path, line: usize) -> Self {
        Self { file: file.to_owned(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file.display(), self.line)
    }
}

/// A text with the name that it has in messages.
pub(super) struct Source<'a> {
    pub file: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        toml::from_str(self.text)
            .map_err(|e| self.mistake(e.span().unwrap_or_default(), e.message().to_owned()))
    }

    pub fn mistake(&self, at: Range<usize>, what: String) -> ScenarioError {
        ScenarioError::Mistake { place: Place::in_text(self.file, self.text, at.start), what }
    }
}
