//! Text from programs, made safe for a line that people read.

pub use halfopen_kernel::text::plain;
