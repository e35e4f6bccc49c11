//! `bpf/segments.h`: what a TCP segment is, by the byte of flags in its header.

use super::calls;

/// Whether it asks for a connection.
#[must_use]
pub fn asks_to_connect(flags: u8) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_asks_to_connect(flags) != 0 }
}

/// Whether a packet of another `protocol` has such a segment in it. `waits`: its attempt does; `is_due`: a SYN is.
#[must_use]
pub fn wrapped_asks_to_connect(protocol: u8, waits: bool, is_due: bool) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_wrapped_asks_to_connect(protocol, waits.into(), is_due.into()) != 0 }
}

/// Whether the kernel may have sent it, as an answer to a stray segment, through a raw socket of its own.
#[must_use]
pub fn is_answer_to_stray(flags: u8) -> bool {
    // SAFETY: takes and returns integers, any are allowed.
    unsafe { calls::native_is_answer_to_stray(flags) != 0 }
}
