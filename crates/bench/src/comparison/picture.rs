//! The pictures: each limiter a point, dead ones reached to the right, waits of live ones upwards; and bars.

use std::fmt::Display;

use anyhow::{Result, anyhow};
use halfopen_bench::peers::Peer;
use plotters::coord::Shift;
use plotters::prelude::*;
use testkit::Spread;

use crate::comparison::page_load::Beside;
use crate::comparison::results::Results;

const SIZE: (u32, u32) = (760, 440);
const LEGEND: u32 = 180;
const FONT: &str = "sans-serif";
const TEXT: u32 = 13;
/// Where those are drawn of which fewer than half connected.
const NEVER: f64 = 300.0;
/// Shorter waits are no different, see `judge`.
const LEAST: f64 = 0.0001;
const COLOURS: [RGBColor; 11] = [
    RGBColor(0x22, 0x22, 0x22),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0xe3, 0x77, 0xc2),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0xbc, 0xbd, 0x22),
    RGBColor(0x17, 0xbe, 0xcf),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x7f, 0x7f, 0x7f),
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0x2c, 0xa0, 0x2c),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Of one workload: the median wait of all live dials, by who made them, against the distinct dead addresses reached.
pub fn workload(results: &Results, workload: &str) -> Result<String> {
    draw(|area| {
        let (left, right) = area.split_horizontally(SIZE.0 - LEGEND);
        legend(&right, &results.limiters)?;
        let most =
            results.runs.iter().filter(|run| run.workload == workload).map(|run| run.dead_reached).max();
        let most = most.unwrap_or_default().max(10) as f64 * 1.05;
        let mut chart = ChartBuilder::on(&left)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..most, (LEAST..NEVER * 1.4).log_scale())
            .map_err(failed)?;
        chart
            .configure_mesh()
            .label_style((FONT, TEXT))
            .x_desc(format!("{workload}: distinct dead addresses reached"))
            .y_desc("median wait of all live dials")
            .y_label_formatter(&|seconds| wait(*seconds))
            .x_label_formatter(&|dead| format!("{dead:.0}"))
            .max_light_lines(0)
            .draw()
            .map_err(failed)?;
        let never = [(0.0, NEVER), (most, NEVER)];
        chart.draw_series([PathElement::new(never, BLACK.mix(0.3))]).map_err(failed)?;
        let text = Text::new("never", (most * 0.005, NEVER * 0.95), (FONT, TEXT));
        chart.draw_series([text]).map_err(failed)?;
        // Smaller and smaller, so that those of the same place can be seen.
        for (size, (limiter, colour)) in (4..=14).rev().zip(results.limiters.iter().zip(COLOURS)) {
            for run in results.runs_of(workload, limiter.id) {
                for (who, group) in &run.groups {
                    let at = (run.dead_reached as f64, group.median_wait_of_all().clamp(LEAST, NEVER));
                    let style = colour.mix(0.85);
                    if who.cgroup == testkit::workload::INNOCENT {
                        chart
                            .draw_series([TriangleMarker::new(at, size, style.stroke_width(2))])
                            .map_err(failed)?;
                    } else {
                        chart.draw_series([Circle::new(at, size, style.filled())]).map_err(failed)?;
                    }
                }
            }
        }
        Ok(())
    })
}

/// How long the page took, for each limiter.
pub fn page(results: &Results, beside: Beside) -> Result<String> {
    let spread = |limiter: &Peer| {
        Spread::of(results.pages_of(limiter.id, beside).map(crate::comparison::page_load::PageLoad::seconds))
    };
    bars(results, &format!("g, {}: seconds until the page is there", beside.shown()), spread)
}

/// What an admitted SYN costs, for each limiter.
pub fn cost(results: &Results) -> Result<String> {
    let spread =
        |limiter: &Peer| results.costs.as_ref().map_or_else(|| Spread::of([]), |costs| costs.of(limiter.id));
    bars(results, "processor time per admitted SYN, microseconds", spread)
}

/// A bar up to the median, and a line over the range.
fn bars(results: &Results, title: &str, spread: impl Fn(&Peer) -> Spread) -> Result<String> {
    let spreads: Vec<Spread> = results.limiters.iter().map(spread).collect();
    let finite =
        spreads.iter().flat_map(|spread| [spread.least(), spread.most()]).filter(|value| value.is_finite());
    let (least, most) =
        finite.fold((0.0_f64, 0.1_f64), |(least, most), value| (least.min(value), most.max(value)));
    let top = most * 1.1;
    draw(|area| {
        let (left, right) = area.split_horizontally(SIZE.0 - LEGEND);
        legend(&right, &results.limiters)?;
        let mut chart = ChartBuilder::on(&left)
            .margin(10)
            .caption(title, (FONT, TEXT + 2))
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..results.limiters.len() as f64, least..top)
            .map_err(failed)?;
        let mesh = &mut chart.configure_mesh();
        mesh.disable_x_mesh().label_style((FONT, TEXT)).max_light_lines(0).draw().map_err(failed)?;
        for (place, (spread, colour)) in spreads.iter().zip(COLOURS).enumerate() {
            let (x, median) = (place as f64, spread.median());
            if median.is_nan() {
                continue;
            }
            // What never ends goes through the roof.
            let height = if median.is_finite() { median } else { top };
            let style = if median.is_finite() { colour.filled() } else { colour.mix(0.4).filled() };
            let bar = Rectangle::new([(x + 0.15, 0.0), (x + 0.85, height)], style);
            chart.draw_series([bar]).map_err(failed)?;
            let range = [(x + 0.5, spread.least().min(top)), (x + 0.5, spread.most().min(top))];
            chart.draw_series([PathElement::new(range, BLACK.stroke_width(2))]).map_err(failed)?;
            if median.is_infinite() {
                let text = Text::new("never", (x + 0.2, top * 0.97), (FONT, TEXT));
                chart.draw_series([text]).map_err(failed)?;
            }
        }
        Ok(())
    })
}

fn draw(content: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
    let mut picture = String::new();
    {
        let area = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        content(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(picture)
}

fn legend(area: &Area, limiters: &[Peer]) -> Result<()> {
    for (y, (limiter, colour)) in (30..).step_by(22).zip(limiters.iter().zip(COLOURS)) {
        area.draw(&Circle::new((10, y + 6), 5, colour.filled())).map_err(failed)?;
        area.draw(&Text::new(limiter.id, (22, y), (FONT, TEXT))).map_err(failed)?;
    }
    Ok(())
}

fn wait(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", seconds * 1e3) } else { format!("{seconds} s") }
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("drawing a picture: {error}")
}
