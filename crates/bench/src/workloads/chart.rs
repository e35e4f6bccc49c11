//! How many live peers had answered by the time so many dead ones had been reached, as a picture: what lies above
//! the dashed line did better than chance.

use std::fmt::Write;

use halfopen_bench::runs::Run;

const COLOURS: [&str; 6] = ["#222222", "#d62728", "#ff7f0e", "#9467bd", "#1f77b4", "#2ca02c"];
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 48.0;
const DEAD: f64 = 200.0;
const LIVE: f64 = 20.0;

pub fn svg(workload: &str, limiters: &[String], runs: &[Run]) -> String {
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut line = |points: &[(f64, f64)], style: &str| {
        let points = points.iter().map(|(dead, live)| format!("{:.1},{:.1} ", across(*dead), up(*live)));
        let points: String = points.collect();
        let _ = writeln!(picture, "<polyline points=\"{points}\" fill=\"none\" {style}/>");
    };
    line(&[(0.0, LIVE), (0.0, 0.0), (DEAD, 0.0)], "stroke=\"black\"");
    line(&[(0.0, 0.0), (DEAD, LIVE)], "stroke=\"grey\" stroke-dasharray=\"5,4\"");
    for (limiter, colour) in limiters.iter().zip(COLOURS) {
        for run in runs.iter().filter(|run| run.workload == workload && run.limiter == *limiter) {
            let mut points = vec![(0.0, 0.0)];
            points.extend(run.curve.iter().map(|at| (at.dead_reached as f64, at.live_answered as f64)));
            line(&points, &format!("stroke=\"{colour}\" stroke-width=\"1.5\" stroke-opacity=\"0.8\""));
        }
    }
    let mut text = |x: f64, y: f64, anchor: &str, colour: &str, text: &str| {
        let _ = writeln!(
            picture,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
        );
    };
    for dead in [0.0, 50.0, 100.0, 150.0, 200.0] {
        text(across(dead), up(0.0) + 16.0, "middle", "black", &format!("{dead}"));
    }
    for live in [0.0, 5.0, 10.0, 15.0, 20.0] {
        text(across(0.0) - 6.0, up(live) + 4.0, "end", "black", &format!("{live}"));
    }
    text(
        WIDTH / 2.0,
        HEIGHT - 8.0,
        "middle",
        "black",
        &format!("{workload}: distinct dead addresses reached"),
    );
    text(MARGIN, 20.0, "start", "black", "live ones that answered");
    for (place, (limiter, colour)) in limiters.iter().zip(COLOURS).enumerate() {
        text(WIDTH - MARGIN, up(6.0) + 16.0 * place as f64, "end", colour, limiter);
    }
    picture.push_str("</svg>\n");
    picture
}

fn across(dead: f64) -> f64 {
    MARGIN + (WIDTH - 2.0 * MARGIN) * dead / DEAD
}

fn up(live: f64) -> f64 {
    HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * live / LIVE
}
