//! A picture as PNG, beside the same one as SVG, and the fonts that it takes.

#![allow(clippy::unwrap_used)]

use halfopen_picture::{Area, FONT, Font, FontError, Format, PictureError, SIZE, TEXT, legend, picture};
use plotters::prelude::*;
use std::collections::HashSet;
use std::fs;
use std::io::Cursor;

const BACKGROUND: [u8; 3] = [255; 3];
const BOX: [u8; 3] = [0, 0, 200];

/// A box and a line on the left half, a title above it, a text that goes up, and a legend on the right half.
fn sample(title: &str, area: &Area) -> Result<(), PictureError> {
    let draw = PictureError::drawing;
    let [red, green, blue] = BOX;
    let filled = RGBColor(red, green, blue).filled();
    area.draw(&Rectangle::new([(100, 200), (199, 299)], filled)).map_err(draw)?;
    area.draw(&Text::new(title, (100, 20), (FONT, TEXT))).map_err(draw)?;
    area.draw(&PathElement::new([(100, 350), (200, 350)], BLACK.stroke_width(3))).map_err(draw)?;
    let upwards = (FONT, TEXT).into_font().transform(FontTransform::Rotate270);
    area.draw(&Text::new("share of hosts", (10, 300), upwards)).map_err(draw)?;
    let (_, right) = area.split_horizontally(400);
    legend(&right, ["adaptive"].into_iter(), &[RED])
}

struct Pixels {
    size: (u32, u32),
    rgb: Vec<[u8; 3]>,
}

impl Pixels {
    fn of(title: &str) -> Self {
        let file = picture(&Format::Png(Font::of_system().unwrap()), |area| sample(title, area)).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        let rgb = bytes.chunks_exact(3).map(|pixel| pixel.try_into().unwrap()).collect();
        Self { size: (info.width, info.height), rgb }
    }

    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.rgb[(y * self.size.0 + x) as usize]
    }

    /// The first and last column and row with something on it, of those from `from` to before `to`, all in units.
    fn drawn(&self, from: (u32, u32), to: (u32, u32)) -> Option<[u32; 4]> {
        let rows = (from.1 * 2..to.1 * 2).flat_map(|y| (from.0 * 2..to.0 * 2).map(move |x| (x, y)));
        rows.filter(|(x, y)| self.at(*x, *y) != BACKGROUND).fold(None, |found, (x, y)| {
            let [left, right, top, bottom] = found.unwrap_or([x, x, y, y]);
            Some([left.min(x), right.max(x), top.min(y), bottom.max(y)])
        })
    }
}

#[test]
fn a_png_has_twice_the_size_and_each_shape_in_its_place() {
    let pixels = Pixels::of("");
    assert_eq!(pixels.size, (2 * SIZE.0, 2 * SIZE.1));
    assert_eq!(pixels.drawn((50, 150), (300, 320)), Some([200, 397, 400, 597]));
    assert_eq!(pixels.at(300, 500), BOX);
    assert_eq!(pixels.at(2 * SIZE.0 - 1, 2 * SIZE.1 - 1), BACKGROUND);
    let [_, _, top, bottom] = pixels.drawn((90, 330), (210, 370)).unwrap();
    assert!((5..=7).contains(&(bottom - top + 1)), "a line of three units: {top} to {bottom}");
    assert_eq!(pixels.drawn((400, 20), (414, 31)), Some([800, 827, 40, 59]), "the legend's colour");
}

#[test]
fn text_is_drawn_smoothly_where_it_is_due_and_as_long_as_its_letters() {
    let pixels = Pixels::of("Sasser");
    let [left, right, top, bottom] = pixels.drawn((90, 10), (390, 60)).unwrap();
    // An em is 21 pixels, a capital letter three quarters of it.
    assert!((200..=203).contains(&left) && (55..=75).contains(&(right - left)), "{left} to {right}");
    assert!((40..=43).contains(&top) && (14..=18).contains(&(bottom - top)), "{top} to {bottom}");
    let longer = Pixels::of("SasserSasser").drawn((90, 10), (390, 60)).unwrap();
    assert!((2 * (right - left)..2 * (right - left) + 6).contains(&(longer[1] - longer[0])), "{longer:?}");
    let [left, right, top, bottom] = pixels.drawn((0, 100), (50, 350)).unwrap();
    assert!(
        bottom - top > 6 * (right - left) && bottom <= 600,
        "upwards from (10, 300): {left} {right} {top} {bottom}"
    );
    assert!(pixels.drawn((420, 15), (500, 35)).is_some(), "the legend's name");
    let shades: HashSet<_> = pixels.rgb.iter().collect();
    assert!(shades.len() > 30, "{} colours", shades.len());
}

#[test]
fn letters_keep_their_bearings() {
    // Drawn without them, an l has no space to its left.
    let [left, right, ..] = Pixels::of("lllllllll").drawn((90, 10), (390, 60)).unwrap();
    assert!(left > 200 && (right - left) > 8 * 5, "{left} to {right}");
}

#[test]
fn an_svg_needs_no_font_and_has_the_text() {
    let svg = picture(&Format::Svg, |area| sample("<Sasser>", area)).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("&lt;Sasser&gt;") && svg.ends_with("</svg>\n"), "{svg}");
}

#[test]
fn where_there_is_no_font_the_error_names_the_package() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("DejaVuSerif.ttf"), "").unwrap();
    let error = Font::below(directory.path()).unwrap_err();
    assert!(matches!(error, FontError::Missing(_)), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("fonts-dejavu-core") && said.contains(directory.path().to_str().unwrap()),
        "{said}"
    );
    assert!(matches!(Font::below(&directory.path().join("none")), Err(FontError::Missing(_))));
}

#[test]
fn the_preferred_font_is_taken_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("truetype/dejavu");
    fs::create_dir_all(&deep).unwrap();
    let file = deep.join("DejaVuSans.ttf");
    fs::write(directory.path().join("NotoSans-Regular.ttf"), "no font either").unwrap();
    fs::write(&file, "no font").unwrap();
    let error = Font::below(directory.path()).unwrap_err();
    assert!(matches!(&error, FontError::Damaged(damaged) if *damaged == file), "{error:?}");
}
