//! The policy itself: the kernel part's headers, compiled for this machine by
//! `crates/halfopen-bpf/bpf/native.c`.
//!
//! All `unsafe` of this crate is here.

pub mod answer;
pub mod beside;
mod calls;
mod charged;
pub mod datagrams;
pub mod destinations;
pub mod gate;
pub mod gone;
pub mod neighbourhood;
pub mod record;
pub mod remembered;
mod scope;
pub mod segments;
pub(crate) use scope::{port_cell, takes_names};
pub mod shared;
pub mod timers;
pub mod whose;

pub(crate) use charged::{Charged, Said, walk_will_come};
pub(crate) use scope::ledger;

use crate::abi;
use std::ops::{Deref, DerefMut};

pub(crate) type Scope = Native<abi::scope>;
pub(crate) type Limits = Native<abi::limits>;
pub(crate) type Party = Native<abi::party>;
pub(crate) type Attempt = Native<abi::attempt>;
pub(crate) type Connection = Native<abi::connection>;
pub(crate) type Destination = Native<abi::destination>;

/// An address as the headers read it, by words.
#[repr(align(8))]
struct Aligned([u8; 16]);

/// A structure of the headers, which keep no pointer to it from one call to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Native<T>(T);

impl<T> Native<T> {
    fn at(&self) -> *const T {
        &raw const self.0
    }

    fn at_mut(&mut self) -> *mut T {
        &raw mut self.0
    }
}

impl<T> Deref for Native<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Native<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
