//! The policy itself: the kernel part's header as `crates/halfopen-bpf/bpf/native.c` has it compiled for this machine.
//!
//! All `unsafe` of this crate is here. What is in a structure of the header's is not known on this side: each is memory of
//! the size that C says it has, and is asked by functions.

pub mod answer;
pub mod beside;
mod calls;
mod charged;
pub mod gone;
pub mod neighbourhood;
pub mod remembered;
mod scope;
pub(crate) use scope::{port_cell, takes_names};
pub mod shared;
pub mod timers;

pub(crate) use calls::{Constants, Sizes};
pub(crate) use charged::{Charged, Said};

use std::fmt;
use std::marker::PhantomData;

pub(crate) type Scope = Native<of::Scope>;
pub(crate) type Limits = Native<of::Limits>;
pub(crate) type Party = Native<of::Party>;
pub(crate) type Attempt = Native<of::Attempt>;

/// Structures of `bpf/abi.h`, of which nothing is known but their names.
pub(crate) mod of {
    macro_rules! opaque {
        ($($name:ident: $size:ident),*) => {$(
            #[derive(Clone)]
            #[repr(C)]
            pub(crate) struct $name([u8; 0]);

            impl super::Structure for $name {
                fn bytes() -> usize {
                    super::sizes().$size
                }
            }
        )*};
    }
    opaque!(Scope: scope, Limits: limits, Party: party, Attempt: attempt, Answer: answer);
}

pub(crate) fn sizes() -> Sizes {
    // SAFETY: nine integers of a word that are never written; usize is as long as u64 wherever BPF programs are loaded.
    unsafe { calls::native_sizes }
}

pub(crate) fn constants() -> Constants {
    // SAFETY: integers that are never written.
    unsafe { calls::native_constants }
}

/// A structure of the header's.
pub(crate) trait Structure {
    fn bytes() -> usize;
}

/// Memory for one structure, in words: none of them is aligned further.
#[derive(Clone)]
pub(crate) struct Native<T> {
    words: Box<[u64]>,
    of: PhantomData<T>,
}

impl<T: Structure> Native<T> {
    /// As the kernel hands it out.
    pub fn zeroed() -> Self {
        Self::filled(0)
    }

    /// As something else has left it.
    pub fn filled(byte: u8) -> Self {
        let words = vec![u64::from_ne_bytes([byte; 8]); T::bytes().div_ceil(8)];
        Self { words: words.into(), of: PhantomData }
    }

    /// From the bytes of one, as many as it has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut native = Self::zeroed();
        if bytes.len() != T::bytes() {
            return None;
        }
        for (word, bytes) in native.words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(whole);
        }
        Some(native)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.truncate(T::bytes());
        bytes
    }

    fn at(&self) -> *const T {
        self.words.as_ptr().cast()
    }

    fn at_mut(&mut self) -> *mut T {
        self.words.as_mut_ptr().cast()
    }
}

impl<T> fmt::Debug for Native<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Native")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_laid_out_on_both_sides_is_of_one_size() {
        assert_eq!(size_of::<super::calls::NativeCharge>(), super::sizes().charge);
    }
}
