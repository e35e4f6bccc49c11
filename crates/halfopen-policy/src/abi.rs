//! `bpf/abi.h`: the structures and numbers that the kernel part, its native build and Rust share. Bindgen
//! makes them; its layout tests do not compile if a structure has another size or a field is elsewhere.

#![allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    non_camel_case_types,
    unused_imports,
    reason = "made by bindgen, from a header that says what each is"
)]

include!(concat!(env!("OUT_DIR"), "/abi.rs"));
