//! What the two peers that use NFQUEUE do in user space.

mod discipline;
mod fifo;
mod serve;
mod virus_throttle;

pub use discipline::{Discipline, Fate};
pub use fifo::Fifo;
pub use serve::serve;
pub use virus_throttle::VirusThrottle;
