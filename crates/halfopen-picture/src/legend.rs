//! Which colour is whose.

use crate::{Area, FONT, PictureError, SIZE, TEXT};
use plotters::prelude::*;

/// The width of the legend that [`beside_legend`] draws, in units.
const WIDTH: u32 = 190;

/// Draws a [`legend`] at the right of a picture, and returns what is left of it.
///
/// # Errors
/// The drawing library's.
pub fn beside_legend<'a, 'n>(
    area: &Area<'a>,
    names: impl Iterator<Item = &'n str>,
    colours: &[RGBColor],
) -> Result<Area<'a>, PictureError> {
    let (left, right) = area.split_horizontally(SIZE.0 - WIDTH);
    legend(&right, names, colours)?;
    Ok(left)
}

/// A row for each name, with its colour: that of the same place, from the first again after the last.
///
/// # Errors
/// The drawing library's.
pub fn legend<'a>(
    area: &Area,
    names: impl Iterator<Item = &'a str>,
    colours: &[RGBColor],
) -> Result<(), PictureError> {
    for ((name, colour), row) in names.zip(colours.iter().cycle()).zip(0_i32..) {
        let y = 20 + row * 20;
        area.draw(&Rectangle::new([(0, y), (14, y + 10)], colour.filled())).map_err(PictureError::drawing)?;
        area.draw(&Text::new(name, (20, y), (FONT, TEXT))).map_err(PictureError::drawing)?;
    }
    Ok(())
}
