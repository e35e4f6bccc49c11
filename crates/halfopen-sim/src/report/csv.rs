//! The courses of a study as comma-separated values.

use crate::study::Study;
use std::fmt::Write;

/// A line for each case and share infected: the seconds until then, empty if never.
#[must_use]
pub fn csv(study: &Study) -> String {
    let mut text = "case,share_infected,seconds_median,seconds_low,seconds_high\n".to_owned();
    for case in &study.cases {
        for point in &case.course {
            let (share, band) = (point.share, point.seconds);
            let [median, low, high] = [band.median, band.low, band.high]
                .map(|seconds| seconds.map_or_else(String::new, |seconds| format!("{seconds:.3}")));
            let _ = writeln!(text, "{},{share},{median},{low},{high}", case.name);
        }
    }
    text
}
