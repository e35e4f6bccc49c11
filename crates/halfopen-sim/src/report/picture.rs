//! The courses of a study as a picture.

use super::show_time;
use crate::study::Study;
use halfopen_picture::{Area, FONT, Format, Paper, PictureError, TEXT, beside_legend, picture};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

const COLOURS: [RGBColor; 8] = [
    RGBColor(0x22, 0x22, 0x22),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0x17, 0xbe, 0xcf),
];

/// The share infected by the time, on a logarithmic axis: a line for the median of each case, and its band.
///
/// # Errors
/// It cannot be drawn or encoded.
pub fn courses(study: &Study, format: &Format) -> Result<Vec<u8>, PictureError> {
    let times = study.cases.iter().flat_map(|case| &case.course);
    let times =
        times.flat_map(|point| [point.seconds.low, point.seconds.high]).flatten().filter(|time| *time > 0.0);
    let (least, most) =
        times.fold((f64::INFINITY, 0.0_f64), |(least, most), time| (least.min(time), most.max(time)));
    let axis = if least < most { least.max(most / 1e6)..most * 1.1 } else { 1.0..study.until };
    titled(&study.about, format, |area| {
        let left = beside_legend(area, study.cases.iter().map(|case| case.name.as_str()), &COLOURS)?;
        let mut chart = by_time(&left, axis.log_scale(), "time since the first hosts were infected")?;
        for (case, colour) in study.cases.iter().zip(COLOURS.iter().cycle()) {
            let low = case.course.iter().filter_map(|point| Some((point.seconds.low?, point.share)));
            let high = case.course.iter().rev().filter_map(|point| Some((point.seconds.high?, point.share)));
            let around: Vec<_> = low.chain(high).collect();
            if around.len() > 2 {
                chart.draw_series([Polygon::new(around, colour.mix(0.15))]).map_err(PictureError::drawing)?;
            }
            let median = case.course.iter().filter_map(|point| Some((point.seconds.median?, point.share)));
            chart
                .draw_series(LineSeries::new(median, colour.stroke_width(2)))
                .map_err(PictureError::drawing)?;
        }
        Ok(())
    })
}

/// Shares (0 to 1) by time in seconds: a line for each name.
///
/// # Errors
/// It cannot be drawn or encoded.
pub fn curves(
    title: &str,
    lines: &[(&str, &[(f64, f64)])],
    format: &Format,
) -> Result<Vec<u8>, PictureError> {
    let most = lines.iter().flat_map(|(_, points)| *points).map(|(seconds, _)| *seconds).fold(1.0, f64::max);
    titled(title, format, |area| {
        let left = beside_legend(area, lines.iter().map(|(name, _)| *name), &COLOURS)?;
        let mut chart = by_time(&left, 0.0..most, "time")?;
        for (number, ((_, points), colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
            // The first one is drawn wide, so that it shows below what agrees with it.
            let width = if number == 0 { 5 } else { 1 };
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(width));
            chart.draw_series(line).map_err(PictureError::drawing)?;
        }
        Ok(())
    })
}

/// A line of [`slowdowns`]: its name, and for each share of hosts the median, low and high of the factor.
pub type Slowdowns = (String, Vec<(f64, [f64; 3])>);

/// How many times slower, on a logarithmic axis, by the share of hosts that are limited (0 to 1).
///
/// # Errors
/// It cannot be drawn or encoded.
pub fn slowdowns(title: &str, lines: &[Slowdowns], format: &Format) -> Result<Vec<u8>, PictureError> {
    let most = lines.iter().flat_map(|(_, points)| points).map(|(_, [.., high])| *high).fold(2.0, f64::max);
    titled(title, format, |area| {
        let left = beside_legend(area, lines.iter().map(|(name, _)| name.as_str()), &COLOURS)?;
        let mut chart = ChartBuilder::on(&left)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..1.0, (0.5..most * 1.2).log_scale())
            .map_err(PictureError::drawing)?;
        chart
            .configure_mesh()
            .label_style((FONT, TEXT))
            .x_desc("share of hosts limited")
            .y_desc("times slower")
            .x_label_formatter(&|share| format!("{:.0}%", share * 100.0))
            .max_light_lines(0)
            .draw()
            .map_err(PictureError::drawing)?;
        for ((_, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let low = points.iter().map(|(share, [_, low, _])| (*share, *low));
            let high = points.iter().rev().map(|(share, [.., high])| (*share, *high));
            let around: Vec<_> = low.chain(high).collect();
            chart.draw_series([Polygon::new(around, colour.mix(0.15))]).map_err(PictureError::drawing)?;
            let median = points.iter().map(|(share, [median, ..])| (*share, *median));
            chart
                .draw_series(LineSeries::new(median, colour.stroke_width(2)))
                .map_err(PictureError::drawing)?;
        }
        Ok(())
    })
}

/// A chart of shares by time.
type ByTime<'a, 'p, X> =
    ChartContext<'a, Paper<'p>, Cartesian2d<<X as AsRangedCoord>::CoordDescType, RangedCoordf64>>;

/// Axes for shares of hosts by time.
fn by_time<'a, 'p, X>(area: &'a Area<'p>, time: X, about: &str) -> Result<ByTime<'a, 'p, X>, PictureError>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(time, 0.0..1.0)
        .map_err(PictureError::drawing)?;
    chart
        .configure_mesh()
        .label_style((FONT, TEXT))
        .x_desc(about)
        .y_desc("share of vulnerable hosts infected")
        .x_label_formatter(&|seconds| show_time(*seconds))
        .y_label_formatter(&|share| format!("{:.0}%", share * 100.0))
        .max_light_lines(0)
        .draw()
        .map_err(PictureError::drawing)?;
    Ok(chart)
}

fn titled(
    title: &str,
    format: &Format,
    content: impl FnOnce(&Area) -> Result<(), PictureError>,
) -> Result<Vec<u8>, PictureError> {
    picture(format, |area| content(&area.titled(title, (FONT, TEXT + 2)).map_err(PictureError::drawing)?))
}
