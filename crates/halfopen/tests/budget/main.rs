//! A held attempt keeps its budget: the wait costs a program none of the time its own options give an attempt.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

/// They wait for TCP to give up by itself: `make test` runs what bears this name beside all else.
mod takes_minutes {
    mod give_up;
    mod max_wait;
    mod own_options;
}
