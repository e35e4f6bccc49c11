//! Pictures of what was simulated or replayed, as SVG and as PNG.
//!
//! All is drawn in the units of the SVG, whatever it is written as. A PNG has two pixels for each unit.

mod doubled;
mod font;
mod glyphs;
mod legend;
mod paper;

pub use font::{Font, FontError};
pub use legend::{beside_legend, legend};
pub use paper::Paper;

use doubled::Doubled;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Width and height, in units.
pub const SIZE: (u32, u32) = (820, 440);
/// The font of all text.
pub const FONT: &str = "sans-serif";
/// The size of text, as plotters counts it.
pub const TEXT: u32 = 13;

/// What is drawn on.
pub type Area<'a> = DrawingArea<Paper<'a>, Shift>;

/// What a picture is written as.
#[derive(Debug, Clone)]
pub enum Format {
    /// Text is left to what shows the picture.
    Svg,
    /// Of twice [`SIZE`], with text in this font.
    Png(Font),
}

/// A picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The drawing library says why.
    #[error("cannot draw the picture: {0}")]
    Drawing(String),
    /// It is drawn, and cannot be encoded.
    #[error("cannot make a PNG of the picture: {0}")]
    Encoding(#[from] png::EncodingError),
}

impl PictureError {
    /// Of an error of the drawing library, whose types depend on what is drawn on.
    pub fn drawing(error: impl std::fmt::Display) -> Self {
        Self::Drawing(error.to_string())
    }
}

/// The bytes of a file with a picture: of what `content` draws on a white area of [`SIZE`].
///
/// # Errors
/// It cannot be drawn or encoded.
pub fn picture(
    format: &Format,
    content: impl FnOnce(&Area) -> Result<(), PictureError>,
) -> Result<Vec<u8>, PictureError> {
    let draw = |paper: Paper| {
        let area = paper.into_drawing_area();
        area.fill(&WHITE).map_err(PictureError::drawing)?;
        content(&area)?;
        area.present().map_err(PictureError::drawing)
    };
    match format {
        Format::Svg => {
            let mut text = String::new();
            draw(Paper::Svg(SVGBackend::with_string(&mut text, SIZE)))?;
            Ok(text.into_bytes())
        }
        Format::Png(font) => {
            let (width, height) = doubled::SIZE;
            let mut pixels = vec![0; 3 * width as usize * height as usize];
            draw(Paper::Pixels(Doubled::new(&mut pixels, font)))?;
            encoded(&pixels)
        }
    }
}

fn encoded(pixels: &[u8]) -> Result<Vec<u8>, PictureError> {
    let (width, height) = doubled::SIZE;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
