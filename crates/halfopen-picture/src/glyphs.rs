//! Text as pixels.
//!
//! plotters can draw with `ab_glyph` itself. Then it leaves out the bearing of each letter, and also measures the text of an
//! SVG with the font, so that no SVG could be drawn without one.

use crate::Font;
use ab_glyph::{Font as _, Glyph, PxScale, ScaleFont, point};
use plotters_backend::text_anchor::Pos;
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontStyle, FontTransform};

/// Pixels for each unit.
pub(crate) const SCALE: u8 = 2;
/// plotters' size of text for each em: what it writes to an SVG.
const SIZE_OF_EM: f64 = 1.24;
/// Where the line begins and ends, in em from the baseline: anchors are then where they are in an SVG.
const ABOVE: f64 = 0.76;
const BELOW: f64 = 0.24;

/// A style of text whose letters are drawn from a font, in pixels.
pub(crate) struct Glyphs<'a, S> {
    pub style: &'a S,
    pub font: &'a Font,
}

impl<S: BackendTextStyle> Glyphs<'_, S> {
    /// The letters, along a baseline that begins at the origin, and its length.
    fn line(&self, text: &str) -> (Vec<Glyph>, f32) {
        let font = &self.font.0;
        let of_em = font.height_unscaled() / font.units_per_em().unwrap_or(1_000.0);
        let scale = PxScale::from(self.size() as f32 * of_em);
        let scaled = font.as_scaled(scale);
        let mut letters: Vec<Glyph> = Vec::new();
        let mut at = 0.0;
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            at += letters.last().map_or(0.0, |before| scaled.kern(before.id, id));
            letters.push(id.with_scale_and_position(scale, point(at, 0.0)));
            at += scaled.h_advance(id);
        }
        (letters, at)
    }
}

impl<S: BackendTextStyle> BackendTextStyle for Glyphs<'_, S> {
    type FontError = S::FontError;

    fn color(&self) -> BackendColor {
        self.style.color()
    }

    /// An em, in pixels.
    fn size(&self) -> f64 {
        self.style.size() / SIZE_OF_EM * f64::from(SCALE)
    }

    fn transform(&self) -> FontTransform {
        self.style.transform()
    }

    fn style(&self) -> FontStyle {
        self.style.style()
    }

    fn anchor(&self) -> Pos {
        self.style.anchor()
    }

    fn family(&self) -> FontFamily<'_> {
        self.style.family()
    }

    fn layout_box(&self, text: &str) -> Result<(BackendCoord, BackendCoord), Self::FontError> {
        let pixels = |em: f64| (em * self.size()).round() as i32;
        Ok(((0, pixels(-ABOVE)), (self.line(text).1.round() as i32, pixels(BELOW))))
    }

    fn draw<E, D: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, baseline): BackendCoord,
        mut draw: D,
    ) -> Result<Result<(), E>, Self::FontError> {
        let mut drawn = Ok(());
        for letter in self.line(text).0 {
            // A space has none.
            let Some(outline) = self.font.0.outline_glyph(letter) else { continue };
            let from = outline.px_bounds().min;
            let (left, top) = (left + from.x as i32, baseline + from.y as i32);
            outline.draw(|x, y, covered| {
                if drawn.is_ok() && covered > 0.0 {
                    let colour = self.color().mix(f64::from(covered.min(1.0)));
                    drawn = draw(left + x.cast_signed(), top + y.cast_signed(), colour);
                }
            });
        }
        Ok(drawn)
    }
}
