//! The pictures of `replay` and `simulate`.

use crate::cli;
use anyhow::{Context, Result};
use halfopen_picture::{Font, FontError, Format, PictureError};
use std::path::Path;

/// The files to draw to, and as what.
pub struct Pictures<'a>(Vec<(&'a Path, Format)>);

impl<'a> Pictures<'a> {
    /// Those asked for. Whether there is a font is known before the work.
    pub fn asked(asked: &'a cli::Pictures) -> Result<Self, FontError> {
        let svg = asked.svg.iter().map(|file| Ok((file.as_path(), Format::Svg)));
        let png = asked.png.iter().map(|file| Ok((file.as_path(), Format::Png(Font::of_system()?))));
        svg.chain(png).collect::<Result<_, _>>().map(Self)
    }

    /// Writes what `draw` draws.
    pub fn write(&self, draw: impl Fn(&Format) -> Result<Vec<u8>, PictureError>) -> Result<()> {
        for (file, format) in &self.0 {
            std::fs::write(file, draw(format)?)
                .with_context(|| format!("cannot write the picture to {}", file.display()))?;
        }
        Ok(())
    }
}
