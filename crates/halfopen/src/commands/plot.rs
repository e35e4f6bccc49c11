//! A plot of numbers over time, for a terminal of 80 columns.

/// How many moments stand beside each other.
pub const COLUMNS: usize = 70;
const ROWS: u64 = 6;
const LABEL: usize = 8;

/// Lines with a column for each of `values`, at most [`COLUMNS`] of them. `None` is a moment of which nothing is known.
/// What is not zero is seen, however small.
pub fn plot(values: &[Option<u64>]) -> Vec<String> {
    let most = values.iter().flatten().copied().max().unwrap_or_default();
    let mut lines: Vec<String> = (0..ROWS)
        .rev()
        .map(|row| {
            let label = if row + 1 == ROWS { most.to_string() } else { String::new() };
            let is_reached = |value: u64| value > 0 && (row == 0 || value * ROWS > most * row);
            let cells = values.iter().map(|value| if value.is_some_and(is_reached) { '#' } else { ' ' });
            format!("{label:>LABEL$} |{}", cells.collect::<String>()).trim_end().to_owned()
        })
        .collect();
    let axis: String = values.iter().map(|value| if value.is_some() { '-' } else { ' ' }).collect();
    lines.push(format!("{:>LABEL$} +{axis}", 0).trim_end().to_owned());
    lines
}

/// The line below a plot of so many columns: when it begins and when it ends.
pub fn ends(from: &str, to: &str, columns: usize) -> String {
    let space = columns.saturating_sub(from.len() + to.len()).max(1);
    format!("{:>LABEL$}  {from}{}{to}", "", " ".repeat(space))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_seen_and_unknown_ones_leave_the_axis_open() {
        let lines = plot(&[Some(0), Some(1), Some(300), Some(150), None, Some(600)]);
        assert_eq!(
            lines,
            [
                "     600 |     #",
                "         |     #",
                "         |     #",
                "         |  #  #",
                "         |  ## #",
                "         | ### #",
                "       0 +---- -",
            ]
        );
        assert!(plot(&[Some(1); COLUMNS]).iter().all(|line| line.len() <= 80));
        assert_eq!(ends("a", "b", 6), "          a    b");
    }

    #[test]
    fn nothing_at_all_is_a_line() {
        assert_eq!(plot(&[Some(0); 3]).last().unwrap(), "       0 +---");
    }
}
