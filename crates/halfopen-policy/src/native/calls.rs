//! `bpf/native.h`: the functions of bpf/native.c. Made by bindgen.

#![allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    non_camel_case_types,
    unused_imports,
    reason = "made by bindgen, from a header that says what each is"
)]

include!(concat!(env!("OUT_DIR"), "/native.rs"));
