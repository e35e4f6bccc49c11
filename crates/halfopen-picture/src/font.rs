//! The font of text in pixels: one of the system's.

use ab_glyph::FontArc;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "/usr/share/fonts";
/// By preference. Each has Latin, Greek and Cyrillic letters.
const FILES: [&str; 3] = ["DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf"];
/// Directories below one another that are looked into. Distributions have two or three.
const DEPTH: usize = 5;

/// A font.
#[derive(Debug, Clone)]
pub struct Font(pub(crate) FontArc);

/// There is no font for the text of a PNG.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// None of those that are looked for is there.
    #[error(
        "a PNG needs a font for its text, and none of {} is below {}: install one, such as Debian's package \
         fonts-dejavu-core, or write an SVG",
        FILES.join(", "),
        .0.display()
    )]
    Missing(PathBuf),
    /// One is there, and its file cannot be read.
    #[error("cannot read the font {}: {error}", file.display())]
    Unreadable {
        /// The font.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// One is there, and it is none.
    #[error("{} is not a font that can be drawn with: install its package again", .0.display())]
    Damaged(PathBuf),
}

impl Font {
    /// DejaVu Sans, Liberation Sans or Noto Sans, whichever the system has first.
    ///
    /// # Errors
    /// [`FontError`].
    pub fn of_system() -> Result<Self, FontError> {
        Self::below(Path::new(DIRECTORY))
    }

    /// The same, of fonts in a directory and in those below it.
    ///
    /// # Errors
    /// [`FontError`].
    pub fn below(directory: &Path) -> Result<Self, FontError> {
        let mut found = Vec::new();
        look(directory, DEPTH, &mut found);
        let Some((_, file)) = found.into_iter().min() else {
            return Err(FontError::Missing(directory.to_owned()));
        };
        let bytes =
            std::fs::read(&file).map_err(|error| FontError::Unreadable { file: file.clone(), error })?;
        FontArc::try_from_vec(bytes).map(Self).map_err(|_| FontError::Damaged(file))
    }
}

/// Adds each of [`FILES`] with its place there. A directory that cannot be read has none.
fn look(directory: &Path, depth: usize, found: &mut Vec<(usize, PathBuf)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Some(place) = FILES.iter().position(|file| entry.file_name() == *file) {
            found.push((place, path));
        } else if depth > 0 && path.is_dir() {
            look(&path, depth - 1, found);
        }
    }
}
