//! Pixels to draw on, two for each unit.

use crate::glyphs::{Glyphs, SCALE};
use crate::{Font, SIZE as UNITS};
use plotters::prelude::BitMapBackend;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

/// Width and height, in pixels.
pub(crate) const SIZE: (u32, u32) = (UNITS.0 * SCALE as u32, UNITS.1 * SCALE as u32);

/// Draws on pixels what is given in units.
pub struct Doubled<'a> {
    pixels: BitMapBackend<'a>,
    font: &'a Font,
}

type Drawn<'a> = Result<(), DrawingErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

impl<'a> Doubled<'a> {
    /// On the RGB pixels of a picture of [`SIZE`].
    pub fn new(pixels: &'a mut [u8], font: &'a Font) -> Self {
        Self { pixels: BitMapBackend::with_buffer(pixels, SIZE), font }
    }
}

fn pixel((x, y): BackendCoord) -> BackendCoord {
    (x * i32::from(SCALE), y * i32::from(SCALE))
}

/// A style whose strokes are counted in pixels.
struct InPixels<'a, S>(&'a S);

impl<S: BackendStyle> BackendStyle for InPixels<'_, S> {
    fn color(&self) -> BackendColor {
        self.0.color()
    }

    fn stroke_width(&self) -> u32 {
        self.0.stroke_width() * u32::from(SCALE)
    }
}

impl<'a> DrawingBackend for Doubled<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        UNITS
    }

    fn ensure_prepared(&mut self) -> Drawn<'a> {
        self.pixels.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<'a> {
        self.pixels.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn<'a> {
        let (x, y) = pixel(point);
        let last = i32::from(SCALE) - 1;
        self.pixels.draw_rect((x, y), (x + last, y + last), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn<'a> {
        self.pixels.draw_line(pixel(from), pixel(to), &InPixels(style))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn<'a> {
        self.pixels.draw_rect(pixel(upper_left), pixel(bottom_right), &InPixels(style), fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn<'a> {
        self.pixels.draw_path(path.into_iter().map(pixel), &InPixels(style))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn<'a> {
        self.pixels.draw_circle(pixel(centre), radius * u32::from(SCALE), &InPixels(style), fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn<'a> {
        self.pixels.fill_polygon(corners.into_iter().map(pixel), &InPixels(style))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn<'a> {
        self.pixels.draw_text(text, &Glyphs { style, font: self.font }, pixel(at))
    }
}
