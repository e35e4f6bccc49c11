//! A replay as a picture.

use crate::report::Replayed;
use halfopen_picture::{FONT, Format, PictureError, TEXT, beside_legend, picture};
use plotters::prelude::*;

const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x22, 0x22, 0x22),
];

/// The share of all attempts that would have waited for longer, by the time, on logarithmic axes: a line for each policy.
///
/// # Errors
/// It cannot be drawn or encoded.
pub fn waits(replayed: &Replayed, format: &Format) -> Result<Vec<u8>, PictureError> {
    picture(format, |area| {
        let all = replayed.recorded.attempts.max(1) as f64;
        let longest =
            replayed.policies.iter().map(|policy| policy.all.delayed.longest_ms).max().unwrap_or_default();
        let longest = longest.max(10) as f64 / 1e3;
        let names = replayed.policies.iter().map(|policy| policy.policy.as_str());
        let left = beside_legend(area, names, &COLOURS)?;
        let least = (0.5 / all).min(0.5);
        let mut chart = ChartBuilder::on(&left)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d((0.001..longest * 1.2).log_scale(), (least..1.0).log_scale())
            .map_err(PictureError::drawing)?;
        chart
            .configure_mesh()
            .label_style((FONT, TEXT))
            .x_desc("time in seconds")
            .y_desc("share of attempts that wait for longer")
            .y_label_formatter(&|share| format!("{} %", share * 100.0))
            .max_light_lines(0)
            .draw()
            .map_err(PictureError::drawing)?;
        let colours = COLOURS.iter().cycle();
        for (policy, colour) in replayed.policies.iter().zip(colours) {
            let mut left = policy.waits.iter().map(|step| step.count).sum::<u64>();
            let mut points = vec![(0.001, left as f64 / all)];
            for step in &policy.waits {
                let at = step.up_to_ms.max(1) as f64 / 1e3;
                points.push((at, left as f64 / all));
                left -= step.count;
                points.push((at, (left as f64 / all).max(least)));
            }
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(PictureError::drawing)?;
        }
        Ok(())
    })
}
