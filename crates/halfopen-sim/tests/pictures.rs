//! A study as a picture.

#![allow(clippy::unwrap_used)]

use halfopen_picture::{Font, Format};
use halfopen_sim::engine::Stop;
use halfopen_sim::report::courses;
use halfopen_sim::scenario::Scenario;
use halfopen_sim::study::{EngineKind, Plan, Study};
use std::io::Cursor;

fn study() -> Study {
    let plan = Plan { engine: EngineKind::Scaled, seed: 1, runs: 5 };
    Study::of(&Scenario::named("lan").unwrap(), plan, &Stop::default(), &|_, _| ()).unwrap()
}

#[test]
fn a_png_has_the_title_and_a_line_for_each_case_as_the_svg_has() {
    let study = study();
    let svg = String::from_utf8(courses(&study, &Format::Svg).unwrap()).unwrap();
    assert_eq!(svg.matches("stroke-width=\"2\"").count(), study.cases.len());
    assert!(svg.contains(&study.about));

    let file = courses(&study, &Format::Png(Font::of_system().unwrap())).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (1_640, 880));
    let (pixels, _) = bytes.as_chunks::<3>();
    let title = pixels[..40 * 1_640].iter().filter(|pixel| **pixel != [255; 3]).count();
    assert!(title > 500, "{title} pixels of a title");
    // The colours of the lines, without those in the legend.
    let chart = || pixels.chunks(1_640).flat_map(|row| &row[..2 * 630]);
    for colour in [[0x22, 0x22, 0x22], [0xd6, 0x27, 0x28], [0x2c, 0xa0, 0x2c]] {
        let drawn = chart().filter(|pixel| **pixel == colour).count();
        assert!(drawn > 100, "{drawn} pixels of {colour:02x?}");
    }
}
