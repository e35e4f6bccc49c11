//! How waits are spread, for a terminal.

use super::plot::{COLUMNS, ends, plot};
use crate::events::text::plain;
use halfopen_replay::{PolicyReport, Replayed};

/// The plot ends here: nobody waits for longer, unless a policy says so.
const OCTAVES: u32 = 17;
const IN_OCTAVE: u32 = 4;

pub fn text(replayed: &Replayed) -> String {
    let waiting = replayed.policies.iter().filter(|policy| !policy.waits.is_empty());
    waiting.map(of_policy).collect::<Vec<_>>().join("\n")
}

fn of_policy(policy: &PolicyReport) -> String {
    let columns = (OCTAVES * IN_OCTAVE) as usize;
    let mut counts = vec![0; columns.min(COLUMNS)];
    for step in &policy.waits {
        counts[column(step.up_to_ms).min(columns - 1)] += step.count;
    }
    let known: Vec<Option<u64>> = counts.into_iter().map(Some).collect();
    let mut lines = vec![format!("\n{}: attempts that waited, by the time", plain(&policy.policy))];
    lines.extend(plot(&known));
    lines.push(ends("1 ms", "131 s", known.len()));
    lines.join("\n")
}

/// A column is a quarter of an octave.
fn column(ms: u64) -> usize {
    let ms = ms.max(1);
    let octave = ms.ilog2();
    let quarter = (u128::from(ms) * u128::from(IN_OCTAVE)) >> octave;
    (octave * IN_OCTAVE) as usize + quarter as usize - IN_OCTAVE as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_quarters_of_octaves() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8].map(column), [0, 0, 4, 6, 8, 9, 10, 11, 12]);
        assert_eq!(column(131_071), (OCTAVES * IN_OCTAVE) as usize - 1);
    }
}
