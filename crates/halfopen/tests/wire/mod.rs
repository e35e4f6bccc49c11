//! A lab with the real program limiting its client, and what the wire must show of it.

use halfopen_lab::{Captured, Lab, Limiter, LimiterBuilder, Segment};
use std::time::Duration;

/// Long enough for anything that is going to happen on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The program built with these tests, limiting the lab's cgroup.
pub fn limiter(lab: &Lab) -> LimiterBuilder<'_> {
    Limiter::builder(lab).program(env!("CARGO_BIN_EXE_halfopen").into())
}

/// What a complete recording shows.
pub fn seen(captured: &Captured) -> &[Segment] {
    assert_eq!(captured.lost, 0, "the recording lost packets");
    &captured.segments
}
