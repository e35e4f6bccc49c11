//! A study, for people and for other programs.

mod csv;
mod picture;
mod table;

pub use csv::csv;
pub use picture::{Slowdowns, courses, curves, slowdowns};
pub use table::table;

use crate::band::Band;

/// A time in the largest unit that is not above it, to two figures or three.
#[must_use]
pub fn show_time(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0 * 365.25, "y"), (86_400.0, "d"), (3_600.0, "h"), (60.0, "m")];
    let unit = UNITS.iter().find(|(size, _)| seconds >= *size * 1.5).unwrap_or(&(1.0, "s"));
    let number = seconds / unit.0;
    if number < 9.95 { format!("{number:.1}{}", unit.1) } else { format!("{number:.0}{}", unit.1) }
}

/// How many times slower.
#[must_use]
pub fn show_factor(factor: f64) -> String {
    if factor < 9.95 { format!("{factor:.1}x") } else { format!("{factor:.0}x") }
}

/// A median with its band, each shown by `show`.
#[must_use]
pub fn show_band(band: Band, show: impl Fn(f64) -> String) -> String {
    let one = |value: Option<f64>| value.map_or_else(|| "never".to_owned(), &show);
    let (median, low, high) = (one(band.median), one(band.low), one(band.high));
    if low == median && high == median { median } else { format!("{median} ({low} to {high})") }
}

/// A share of one, in percent.
#[must_use]
pub fn show_share(share: f64) -> String {
    format!("{}%", (share * 1_000.0).round() / 10.0)
}

/// How long a dial has waited.
#[must_use]
pub fn show_wait(seconds: f64) -> String {
    if seconds < 0.0005 {
        "0".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0}ms", seconds * 1e3)
    } else {
        show_time(seconds)
    }
}
